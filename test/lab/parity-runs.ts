/**
 * What is compared on which engine. Not everything on each: IPv4 is the same from 20.10 to 26.1,
 * and what a start of the engine decides (the proxy, ip6tables, the flavour of iptables) is looked
 * at with the scenarios whose rules it changes.
 */
import type { Run } from './comparison.js';
import type { Scenario } from './scenario.js';
import {
  chosenPorts,
  icc,
  internal,
  networks,
  ports,
  secondNetwork,
  withDefaults,
} from './scenarios.js';
import { directRouting, gatewayModes, since28 } from './scenarios-28.js';
import { ipv6, ipv6WithoutProxy, sourceAddress6 } from './scenarios-ipv6.js';
import { life, liveRestore } from './scenarios-life.js';
import type { EngineVersion } from './suites.js';

const withoutProxy: readonly Scenario[] = [ports, icc, internal];
const everywhere: readonly Scenario[] = [chosenPorts, ports, ...networks];

export function runsOf(engine: EngineVersion): Run[] {
  return [...(engine === '28.5' ? recentRuns(engine) : formerRuns(engine)), ...startsOf(engine)];
}

/** The runs of {@link runsOf} with ports in a map: a host with iptables-legacy, or without rules, refuses such a network. */
export function mappedRunsOf(engine: EngineVersion): Run[] {
  return runsOf(engine)
    .filter(({ iptables, mapped }) => iptables !== 'legacy' && mapped !== true)
    .filter(({ dockerdArgs }) => !dockerdArgs?.includes('--iptables=false'))
    .map((run) => ({ ...run, mapped: true }));
}

/** What else an engine can be started with that a plugin is not told. */
function startsOf(engine: EngineVersion): Run[] {
  const withoutRules = ['--iptables=false', '--ip6tables=false'];
  const started = (...flags: string[]): Run => ({
    engine,
    dockerdArgs: flags,
    tsbridgeArgs: flags,
    scenarios: [withDefaults],
  });
  return [
    { engine, liveRestore: true, scenarios: [liveRestore] },
    started(...withoutRules),
    ...(engine === '28.5' ? [started('--ip-forward-no-drop')] : []),
  ];
}

/** Until 26 IPv6 rules are written only if the engine is told to. */
function formerRuns(engine: EngineVersion): Run[] {
  const proxyOff = ['--userland-proxy=false'];
  const withIpv6 = ['--experimental', '--ip6tables'];
  const legacy: Run = { engine, iptables: 'legacy', scenarios: [ports] };
  return [
    { engine, scenarios: [...everywhere, withDefaults, ...life] },
    { engine, dockerdArgs: proxyOff, tsbridgeArgs: proxyOff, scenarios: withoutProxy },
    {
      engine,
      dockerdArgs: withIpv6,
      scenarios: [...ipv6, ...(engine === '20.10' ? [] : [sourceAddress6])],
    },
    {
      engine,
      dockerdArgs: [...withIpv6, ...proxyOff],
      tsbridgeArgs: proxyOff,
      scenarios: ipv6WithoutProxy,
    },
    ...(engine === '20.10'
      ? [legacy, { engine, mapped: true, scenarios: [ports, secondNetwork] }]
      : []),
  ];
}

function recentRuns(engine: EngineVersion): Run[] {
  const proxyOff = ['--userland-proxy=false'];
  const direct = ['--allow-direct-routing'];
  return [
    { engine, scenarios: [...everywhere, ...ipv6, sourceAddress6, ...since28, ...life] },
    {
      engine,
      dockerdArgs: proxyOff,
      tsbridgeArgs: proxyOff,
      scenarios: [...withoutProxy, ...ipv6WithoutProxy, ...gatewayModes.slice(0, 4)],
    },
    { engine, dockerdArgs: direct, tsbridgeArgs: direct, scenarios: directRouting },
    { engine, iptables: 'legacy', scenarios: [ports, ...ipv6WithoutProxy] },
    {
      engine,
      tsbridgeArgs: ['--rule-backend=restore'],
      scenarios: [...everywhere, ...ipv6WithoutProxy],
    },
    {
      engine,
      mapped: true,
      dockerdArgs: proxyOff,
      tsbridgeArgs: proxyOff,
      scenarios: [ports, ...ipv6WithoutProxy],
    },
  ];
}

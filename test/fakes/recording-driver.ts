/** Drivers and logs for tests of the protocol layer: they keep what they are told. */
import type { MacAddress } from '../../src/core/address.js';
import type { InterfaceName, InterfacePrefix } from '../../src/core/names.js';
import type { EndpointInput } from '../../src/core/options/input.js';
import type { EndpointInfo, JoinResult, NetworkDriver } from '../../src/driver/network-driver.js';

export interface DriverCall {
  readonly name: keyof NetworkDriver;
  readonly arguments: readonly unknown[];
}

export const joinResult: JoinResult = {
  interface: 'veth1234567' as InterfaceName,
  prefix: 'eth' as InterfacePrefix,
  gateway: '10.5.0.1',
  gatewayIpv6: undefined,
};

/** Answers every call at once; `behave` may throw, wait, or answer something else. */
export class RecordingDriver implements NetworkDriver {
  readonly calls: DriverCall[] = [];
  greetings = 0;

  constructor(private readonly behave: (call: DriverCall) => unknown = () => undefined) {}

  get names(): string[] {
    return this.calls.map(({ name }) => name);
  }

  async #record<T>(name: keyof NetworkDriver, args: readonly unknown[], answer: T): Promise<T> {
    // An unknown caller is told as one that is left out.
    const call = { name, arguments: args.filter((each) => each !== undefined) };
    this.calls.push(call);
    return ((await this.behave(call)) as T | undefined) ?? answer;
  }

  engineStarted(): void {
    this.greetings += 1;
  }

  createNetwork: NetworkDriver['createNetwork'] = (...args) =>
    this.#record('createNetwork', [args[0].input], undefined);
  deleteNetwork: NetworkDriver['deleteNetwork'] = (...args) =>
    this.#record('deleteNetwork', args, undefined);
  createEndpoint: NetworkDriver['createEndpoint'] = (...args) =>
    this.#record('createEndpoint', [args[0].input, args[1]], {
      mac:
        (args[0].input as EndpointInput).mac === ''
          ? ('02:42:0a:05:00:02' as MacAddress)
          : undefined,
    });
  deleteEndpoint: NetworkDriver['deleteEndpoint'] = (...args) =>
    this.#record('deleteEndpoint', args, undefined);
  endpointInfo: NetworkDriver['endpointInfo'] = (...args) =>
    this.#record('endpointInfo', args, {
      mac: '02:42:0a:05:00:02' as MacAddress,
      link: 'veth7654321' as InterfaceName,
      bindings: [
        {
          protocol: 'tcp',
          hostIp: '0.0.0.0',
          hostPort: 8080,
          containerIp: '10.5.0.2',
          containerPort: 80,
        },
      ] as unknown as EndpointInfo['bindings'],
      opened: [
        { protocol: 'udp', containerIp: 'fd00::2', containerPort: 53 },
      ] as unknown as EndpointInfo['opened'],
      exposed: [{ protocol: 'tcp', port: 80 }],
    });
  join: NetworkDriver['join'] = (ids, sandboxKey, caller, readPorts) =>
    this.#record('join', [ids, sandboxKey, caller, readPorts?.()], joinResult);
  leave: NetworkDriver['leave'] = (...args) => this.#record('leave', args, undefined);
  publishPorts: NetworkDriver['publishPorts'] = (...args) =>
    this.#record('publishPorts', args, undefined);
  revokePorts: NetworkDriver['revokePorts'] = (...args) =>
    this.#record('revokePorts', args, undefined);
}

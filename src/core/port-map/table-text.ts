/** The table as `nft list table` prints it, without elements: for tests, and for people. */
import type { Family } from '../address.js';
import { portMapTable } from '../rules/chains/own-chains.js';
import { type Field, type MapChain, mapTable, type Source, type Statement } from './table.js';

export function tableText(family: Family): string {
  const { sets, chains } = mapTable(family);
  const type = (fields: readonly Field[]): string =>
    fields.map((field) => typeNames[family][field]).join(' . ');
  const blocks = [
    ...sets.map(({ name, key, data }) =>
      data === undefined
        ? `\tset ${name} {\n\t\ttype ${type(key)}\n\t}`
        : `\tmap ${name} {\n\t\ttype ${type(key)} : ${type(data)}\n\t}`,
    ),
    ...chains.map((chain) => chainText(chain, family)),
  ];
  return `table ${families[family]} ${portMapTable} {\n${blocks.join('\n\n')}\n}\n`;
}

const families = { 4: 'ip', 6: 'ip6' } as const;
const common = { name: 'ifname', protocol: 'inet_proto', port: 'inet_service' } as const;
const typeNames: Readonly<Record<Family, Readonly<Record<Field, string>>>> = {
  4: { ...common, address: 'ipv4_addr' },
  6: { ...common, address: 'ipv6_addr' },
};
const priorities: ReadonlyMap<string, string> = new Map([
  ['prerouting -99', 'dstnat + 1'],
  ['postrouting 101', 'srcnat + 1'],
  ['prerouting -299', 'raw + 1'],
]);

function chainText({ name, base, rules }: MapChain, family: Family): string {
  const lines = rules.map((rule) => `\t\t${ruleText(rule, family)}\n`);
  if (base !== undefined) {
    const { type, hook, priority } = base;
    const at = priorities.get(`${hook} ${priority}`) ?? priority;
    lines.unshift(`\t\ttype ${type} hook ${hook} priority ${at}; policy accept;\n`);
  }
  return `\tchain ${name} {\n${lines.join('')}\t}`;
}

function ruleText(rule: readonly Statement[], family: Family): string {
  return rule.map((statement) => statementText(statement, family)).join(' ');
}

function statementText(statement: Statement, family: Family): string {
  const header = families[family];
  const unless = 'not' in statement && statement.not ? '!= ' : '';
  switch (statement.kind) {
    case 'local':
      return `fib daddr type ${unless}local`;
    case 'to-loopback':
      return `${header} daddr ${unless}${family === 4 ? '127.0.0.0/8' : '::1'}`;
    case 'not-from-lo':
      return 'iifname != "lo"';
    case 'from-link-local':
      return 'ip6 saddr fe80::/10';
    case 'translated':
      return 'ct status dnat';
    case 'in':
      return `${statement.key.map((source) => sourceText(source, header)).join(' . ')} @${statement.set}`;
    case 'translate': {
      const mask =
        statement.bits === undefined ? '' : ` & ${maskText(family, statement.bits === 8)}`;
      return `dnat ${header} to ${header} daddr${mask} . meta l4proto . th dport map @ports`;
    }
    case 'goto':
      return `goto ${statement.chain}`;
    default:
      return statement.kind;
  }
}

const maskText = (family: Family, first: boolean): string =>
  family === 6 ? '::' : first ? '255.0.0.0' : '0.0.0.0';

function sourceText(source: Source, header: string): string {
  const texts: Readonly<Record<Source, string>> = {
    destination: `${header} daddr`,
    source: `${header} saddr`,
    'in-interface': 'iifname',
    protocol: 'meta l4proto',
    port: 'th dport',
  };
  return texts[source];
}

import t from 'tap';
import { formatRequest } from '../../../src/codec/netlink/netlink-message.js';
import {
  listChainsRequest,
  listRulesRequest,
  parseChain,
  parseRule,
} from '../../../src/codec/nf-tables/nft-messages.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const filterForward = '02000007 0b000100 66696c7465720000 0c000200 464f525741524400';
const counter =
  '2c000100 0c000100 636f756e74657200 1c000200 0c000100 00000000 00000000 0c000200 00000000 00000000';
const toDocker =
  '3c000100 0e000100 696d6d65646961746500 0000 28000200 08000100 00000000 1c000200 18000200 08000100 fffffffd ' +
  '0b000200 444f434b45520000';
const accept =
  '30000100 0e000100 696d6d65646961746500 0000 1c000200 08000100 00000000 10000200 0c000200 08000100 00000001';

/** Bodies as Linux 6.18 sent them for `iptables-nft -N DOCKER`, `-P FORWARD DROP` and rules in FORWARD. */
t.test("the kernel's chains of nf_tables are read with their policies", async (t) => {
  const own =
    '02000007 0b000100 66696c7465720000 0b000300 444f434b45520000 0c000200 0000000000000001';
  t.strictSame(parseChain(hex(own)), { table: 'filter', name: 'DOCKER', policy: undefined });
  const based = (policy: string) =>
    parseChain(
      hex(
        `02000007 0b000100 66696c7465720000 0c000300 464f525741524400 0c000200 0000000000000002 ` +
          `14000400 08000100 00000002 08000200 00000000 08000500 ${policy}`,
      ),
    );
  t.match(based('00000000'), { name: 'FORWARD', policy: 'DROP' });
  t.match(based('00000001'), { name: 'FORWARD', policy: 'ACCEPT' });
  t.equal(parseChain(hex('00000000')), undefined, 'the end of a list is no chain');
  const asked = formatRequest(listChainsRequest(4), 1).toString('hex');
  t.equal(asked, '14000000040a0103010000000000000002000000');
});

t.test("of the kernel's rules the handle is read, and where a bare jump leads", async (t) => {
  const rule = (handle: string, length: string, expressions: string) =>
    parseRule(hex(`${filterForward} 0c000300 ${handle} ${length}0400 ${expressions}`));
  const jump = { handle: 5, jump: 'DOCKER' };
  t.strictSame(rule('0000000000000005', '4000', toDocker), jump, 'as nft writes it');
  t.strictSame(rule('0000000000000005', '6c00', counter + toDocker), jump, 'as iptables does');
  const no = { handle: 4, jump: undefined };
  t.strictSame(rule('0000000000000004', '6000', counter + accept), no, 'a verdict, but no jump');
  const matching = `2c000100 0c000100 6d61746368000000 1c000200 ${'00'.repeat(24)}`;
  t.strictSame(rule('0000000000000004', '6c00', matching + toDocker), no, 'not with every packet');
  t.strictSame(rule('0000000000000004', '0400', ''), no, 'a rule without expressions');
  t.strictSame(rule('0000000000000004', '6000', `ff00${toDocker.slice(4)}`), no, 'cut off');
  t.equal(parseRule(hex('00000000')), undefined, 'the end of a list is no rule');
  const asked = formatRequest(listRulesRequest(4, 'filter', 'FORWARD'), 1).toString('hex');
  t.equal(
    asked,
    '2c000000070a01030100000000000000' +
      filterForward.replaceAll(' ', '').replace('02000007', '02000000'),
  );
});

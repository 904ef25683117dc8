/** Entries as Docker 20.10.24 and 28.5.2 sent them, without what is not read. */
import t from 'tap';
import {
  readContainer,
  readContainerFile,
  readEvent,
  readInfo,
  readNetwork,
  readPid,
} from '../../src/codec/docker-answers.js';
import { id } from '../fakes/ids.js';

const connected = {
  IPAMConfig: null,
  NetworkID: id('a'),
  EndpointID: id('e'),
  IPAddress: '172.18.0.2',
};
const container = {
  Id: id('c'),
  Names: ['/client/web', '/web'],
  State: 'running',
  Labels: { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'web\n' },
  NetworkSettings: { Networks: { app: connected } },
};

t.test('a container', async (t) => {
  t.strictSame(readContainer(container), {
    id: id('c'),
    name: 'web',
    compose: { project: 'shop', service: 'web\uFFFD' },
    running: true,
    attachments: [{ networkName: 'app', network: id('a'), endpoint: id('e') }],
  });
  const created = { ...container, Names: null, Labels: null, State: 'created' };
  const never = { app: { NetworkID: '', EndpointID: '' }, host: null };
  t.strictSame(readContainer({ ...created, NetworkSettings: { Networks: never } }), {
    id: id('c'),
    name: '',
    compose: undefined,
    running: false,
    attachments: [
      { networkName: 'app', network: undefined, endpoint: undefined },
      { networkName: 'host', network: undefined, endpoint: undefined },
    ],
  });
  t.strictSame(readContainer({ ...created, NetworkSettings: null }).attachments, []);
  t.equal(readContainer({ ...container, Names: ['/client/web'] }).name, 'client/web');
  t.equal(readContainer({ ...container, State: 'paused' }).running, true);
});

t.test('a container that lacks something is none, rather than half of one', async (t) => {
  for (const wrong of [
    ...[null, [], 'x', { ...container, Id: 'c' }, { ...container, Names: 'web' }],
    ...[
      { ...container, Names: [1] },
      { ...container, State: undefined },
    ],
    ...[
      { ...container, NetworkSettings: null },
      { ...container, Labels: [] },
    ],
    { ...container, NetworkSettings: { Networks: { app: { ...connected, EndpointID: 1 } } } },
  ]) {
    t.throws(() => readContainer(wrong), / should be /);
  }
});

t.test('a network', async (t) => {
  const network = { Id: id('a'), Name: 'app', Scope: 'local', Driver: 'tsbridge' };
  t.strictSame(readNetwork(network), { id: id('a'), name: 'app' });
  const ofSwarm = { ...network, Id: 'x0h8zbj3mhwpvj2fl2vzfx1pi', Scope: 'swarm' };
  t.strictSame(readNetwork(ofSwarm), { id: ofSwarm.Id, name: 'app' });
  const odd = { ...ofSwarm, Id: 'of-a-later-engine' };
  t.equal(readNetwork(odd), undefined, 'none of ours');
  t.throws(() => readNetwork({ ...odd, Scope: 'local' }), /Id should be the id of a network/);
  t.throws(() => readNetwork({ ...network, Name: undefined }), /Name should be a string/);
});

t.test('the engine, and a process', async (t) => {
  const info = { ID: 'K4BY:Q2VU', DockerRootDir: '/var/lib/docker' };
  t.strictSame(readInfo(info), { id: 'K4BY:Q2VU', dataRoot: '/var/lib/docker' });
  t.throws(() => readInfo({ ...info, ID: '' }), /ID should be the id of an engine/);
  t.equal(readPid({ State: { Pid: 4711 } }), 4711);
  t.equal(readPid({ State: { Pid: 0 } }), undefined);
  t.equal(readPid({ State: { Pid: '7' } }), undefined);
});

t.test('events', async (t) => {
  const event = (Type: string, ID: string, Attributes?: object) =>
    readEvent({ Type, Action: 'x', Actor: { ID, Attributes } });
  t.strictSame(event('container', id('c'), { name: 'web' }), { kind: 'container', id: id('c') });
  const attributes = { container: id('d'), name: 'app', type: 'tsbridge' };
  t.strictSame(event('network', id('a'), attributes), { kind: 'container', id: id('d') });
  t.strictSame(event('network', id('a'), { name: 'app' }), { kind: 'networks' });
  t.equal(event('container', 'short'), undefined);
  t.equal(event('image', 'busybox'), undefined);
  t.throws(() => readEvent({ status: 'start' }), /Actor should be an object/);
});

t.test("the engine's own file of a container", async (t) => {
  const file = {
    ID: id('c'),
    Name: '/web',
    State: { Running: true, Pid: 7 },
    Config: { Labels: {}, Env: ['SECRET=1'] },
    NetworkSettings: { Networks: { app: connected } },
  };
  t.strictSame(readContainerFile(file), {
    id: id('c'),
    name: 'web',
    compose: undefined,
    running: true,
    attachments: [{ networkName: 'app', network: id('a'), endpoint: id('e') }],
  });
  t.strictSame(readContainerFile({ ID: id('c'), Name: '/web' }), {
    ...{ id: id('c'), name: 'web', compose: undefined, running: false, attachments: [] },
  });
  t.throws(() => readContainerFile({ Name: '/web' }), /ID should be a string/);
});

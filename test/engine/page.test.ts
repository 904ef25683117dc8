/** `tsbridge page` on a host with a real engine: its containers, ports and networks are in the file, by their names. */
import { labTest, SKIP_BUILT_IN } from '../lab/fixture.js';
import { NODE } from '../lab/process.js';

const options = { suite: 'forky', skip: SKIP_BUILT_IN } as const;
labTest('forky: a file shows what is on the host', options, async (t, lab) => {
  await lab.docker('network', 'create', '-d', 'tsbridge', 'shop');
  await lab.docker('network', 'create', '-d', 'tsbridge', '--internal', 'data');
  await lab.run({ name: 'web', network: 'shop', publish: ['8080:80'], serve: ['tcp/80'] });
  await lab.docker('network', 'connect', 'data', 'web');
  const page = async (): Promise<string> => {
    const command = [...NODE, '/opt/tsbridge/dist/main.js', 'page', '--write', '/tmp/page.html'];
    await lab.exec(command);
    return lab.exec(['cat', '/tmp/page.html']);
  };
  const html = await page();
  t.match(html, /<strong>web<\/strong>/);
  t.match(html, /<strong>shop<\/strong>/);
  t.match(html, /<strong>data<\/strong>[\s\S]*internal/);
  t.match(html, /0\.0\.0\.0:8080\/tcp/);
  t.match(html, /DNAT[^<]*:80/, 'the way to the port, with its rule');
  t.match(html, /told by the daemon/);
  t.match(await lab.exec(['stat', '-c', '%a', '/tmp/page.html']), /^600\s*$/);
  await lab.killTsbridge();
  t.match(await page(), /told by the daemon&#39;s records[\s\S]*<strong>shop<\/strong>/);
  await lab.spawnTsbridge();
  await lab.docker('rm', '-f', 'web');
  for (const name of ['shop', 'data']) await lab.docker('network', 'rm', name);
});

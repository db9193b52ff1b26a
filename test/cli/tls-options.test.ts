import t from 'tap';
import { schemeOf, tlsOf } from '../../src/cli/tls-options.js';
import { authority, filesOf } from '../router/certificates.js';

t.test('flags about TLS become what the router is started with', async (t) => {
  const { ca } = await filesOf(t, { ca: (await authority()).ca });
  t.same(await tlsOf({}), { pool: { tls: {} } });
  t.match(await tlsOf({ tlsCert: 'a', tlsKey: 'b' }), { tls: { cert: 'a', key: 'b' } });
  t.match(await tlsOf({ engineCa: ca, engineName: 'x' }), { pool: { tls: { ca: /BEGIN/, servername: 'x' } } });
  t.match(await tlsOf({ engineInsecure: true }), { pool: { tls: { rejectUnauthorized: false } } });
  t.same([schemeOf({}), schemeOf({ tlsCert: 'a' })], ['http', 'https']);
});

t.test('half of a pair ends the start with what to give', async (t) => {
  for (const half of [{ tlsCert: 'a' }, { tlsKey: 'b' }]) {
    await t.rejects(tlsOf(half), { code: 'half-tls', message: /--tls-cert FILE and --tls-key FILE$/ });
  }
});

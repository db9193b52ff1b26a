import t from 'tap';
import { tandemKeys } from '../../../src/api/names.js';
import type { ModelServer } from '../../../src/api/types.js';
import { chooseDialect } from '../../../src/core/pairing/dialect.js';
import { pod, server } from './server-and-pods.js';

t.test('the dialect', (t) => {
  const withConnector = (type: 'http' | 'lmcache' | 'nixl' | 'mooncake'): ModelServer => ({
    ...server,
    spec: { ...server.spec, kvConnector: { type } },
  });
  const runs = (connector: string, dialect: string | undefined) => () => ({ connector, dialect });
  const silent = () => undefined;
  const stamped = [pod('p0', { [tandemKeys.dialect.key]: 'mooncake' })];
  t.match(chooseDialect(withConnector('nixl'), stamped, silent), { dialect: 'mooncake', from: 'label' });
  t.match(chooseDialect(withConnector('nixl'), [pod('p0')], silent), { dialect: 'nixl-pull', from: 'kvConnector' });
  t.match(chooseDialect(withConnector('mooncake'), [pod('p0')], runs('MooncakeConnectorV1', 'nixl-pull')), {
    dialect: 'nixl-pull',
  });
  t.match(chooseDialect(withConnector('mooncake'), [pod('p0')], runs('MooncakeConnector', 'mooncake')), {
    dialect: 'mooncake',
    from: 'arguments',
  });
  t.match(chooseDialect(withConnector('lmcache'), [pod('p0')], silent), { dialect: 'two-step', from: 'kvConnector' });
  t.match(chooseDialect(server, [pod('p0')], runs('NixlConnector', 'nixl-pull')), {
    dialect: 'nixl-pull',
    from: 'arguments',
    because: 'spec.kvConnector is absent, and the pods run NixlConnector',
  });
  t.match(chooseDialect(server, [pod('p0')], silent), { dialect: 'two-step', from: 'nothing' });
  t.match(chooseDialect({ ...server, spec: { ...server.spec, inferenceEngine: 'SGLang' } }, [pod('p0')], silent), {
    dialect: 'sglang',
  });
  t.end();
});

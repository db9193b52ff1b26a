/** How an engine hands its KV cache over, and which side of prefill and decode it is on. */
import t from 'tap';
import type { Container } from '../../../src/api/kube.js';
import { read, vllmImage } from './one-container.js';

t.test('connectors', async (t) => {
  const config = (value: unknown) => ({ image: vllmImage, args: ['m', '--kv-transfer-config', JSON.stringify(value)] });
  const multi = (...connectors: object[]) => ({
    kv_connector: 'MultiConnector',
    kv_role: 'kv_both',
    kv_connector_extra_config: { connectors },
  });
  const rows: readonly (readonly [string, Partial<Container>, string | undefined, string])[] = [
    ['NIXL', config({ kv_connector: 'NixlConnector', kv_role: 'kv_both' }), 'decode', 'nixl nixl-pull decode'],
    [
      'role says the side',
      config({ kv_connector: 'NixlConnector', kv_role: 'kv_producer' }),
      'decode',
      'nixl nixl-pull prefill',
    ],
    [
      'push',
      config({ kv_connector: 'NixlPushConnector', kv_role: 'kv_consumer' }),
      undefined,
      'nixl-push nixl-push decode',
    ],
    [
      'upstream Mooncake',
      config({ kv_connector: 'MooncakeConnector', kv_role: 'kv_producer' }),
      undefined,
      'mooncake mooncake prefill',
    ],
    [
      'layerwise',
      config({ kv_connector: 'MooncakeLayerwiseConnector', kv_role: 'kv_producer' }),
      undefined,
      'mooncake-layerwise layerwise prefill',
    ],
    [
      'LMCache, shared',
      config({ kv_connector: 'LMCacheConnectorV1', kv_role: 'kv_both' }),
      'prefill',
      'lmcache two-step prefill',
    ],
    [
      'LMCache, direct',
      config({
        kv_connector: 'LMCacheConnectorV1',
        kv_role: 'kv_producer',
        kv_connector_extra_config: { discard_partial_chunks: false },
      }),
      undefined,
      'lmcache-pd lmcache-pd prefill',
    ],
    [
      'P2P NCCL',
      config({ kv_connector: 'P2pNcclConnector', kv_role: 'kv_consumer' }),
      undefined,
      'p2p-nccl p2p-nccl decode',
    ],
    [
      'the peer-to-peer connector inside several',
      config(
        multi(
          { kv_connector: 'AscendStoreConnector', kv_role: 'kv_both' },
          { kv_connector: 'MooncakeConnectorV1', kv_role: 'kv_producer' },
        ),
      ),
      undefined,
      'mooncake-v1 nixl-pull prefill',
    ],
    [
      'only a pool inside',
      config(multi({ kv_connector: 'AscendStoreConnector', kv_role: 'kv_both' })),
      'prefill',
      'ascend-store two-step prefill',
    ],
    ['unknown', config({ kv_connector: 'MyConnector', kv_role: 'kv_both' }), 'prefill', 'undefined undefined prefill'],
    [
      'one flag for each member',
      {
        image: vllmImage,
        args: ['m', '--kv-transfer-config.kv_connector=NixlConnector', '--kv-transfer-config.kv_role', 'kv_consumer'],
      },
      undefined,
      'nixl nixl-pull decode',
    ],
    [
      'SGLang, default backend',
      { image: 'lmsysorg/sglang:v0.5.5', args: ['--disaggregation-mode', 'prefill'] },
      undefined,
      'sglang-mooncake sglang prefill',
    ],
    [
      'SGLang, nixl',
      {
        image: 'lmsysorg/sglang:v0.5.5',
        args: ['--disaggregation-mode=decode', '--disaggregation-transfer-backend=nixl'],
      },
      undefined,
      'sglang-nixl sglang decode',
    ],
    ['none', { image: vllmImage, args: ['m'] }, 'server', 'undefined undefined aggregated'],
  ];
  for (const [title, container, role, expected] of rows) {
    const pod = read(container, role === undefined ? {} : { role });
    t.equal(`${pod?.connector?.profile?.name} ${pod?.connector?.profile?.dialect} ${pod?.side}`, expected, title);
  }
  const broken = read({ image: vllmImage, args: ['m', '--kv-transfer-config', '{"kv_connector":'] })?.connector;
  t.match(broken, { config: undefined, name: '', path: 'spec.containers[0].args[2]' });
  t.type(broken?.error, 'string', 'JSON that cannot be read is told, not thrown');
});

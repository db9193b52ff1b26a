import { asText } from '../../base/json.js';
import { listAt, objectAt, textAt } from '../reading/shape.js';
import { finding } from './finding.js';
import {
  envPath,
  extraOf,
  flagOf,
  flagPath,
  isFromElsewhere,
  isHashKeyed,
  isSglang,
  literalOf,
  numberOf,
  sourceOf,
} from './reads.js';
import { type EngineRole, type Pair, pairRule } from './subject.js';

/** Rules of the form "prefill and decode say the same": one flag, value or variable on both sides. */

function* differing(pair: Pair, flags: readonly string[], fallback: string | undefined) {
  for (const flag of flags) {
    const [p, d] = [flagOf(pair.prefill, flag), flagOf(pair.decode, flag)];
    if ((p ?? fallback) === (d ?? fallback)) continue;
    // A default that the engine derives from the model may well be the value that the other side spells out.
    const severity = p === undefined || d === undefined ? ('warning' as const) : undefined;
    yield finding(
      flagPath(pair.decode, flag),
      {
        saw: `--${flag} ${d ?? 'absent'}`,
        want: `${p ?? 'absent'}, as on prefill`,
        fix: `give both roles the same --${flag}`,
      },
      severity,
    );
  }
}

export const sameFamily = pairRule({
  code: 'TND-006',
  severity: 'error',
  title: 'Both roles run the same engine',
  because: 'no two engine families share a KV format',
  source: 'pd-protocols C-6',
  reads: 'pod',
  *check({ prefill, decode }) {
    if (prefill.engine.profile.family === decode.engine.profile.family) return;
    yield finding(`${decode.containerPath}.image`, {
      saw: decode.engine.profile.name,
      want: `${prefill.engine.profile.name}, as on prefill`,
      fix: 'run the same engine in both roles',
    });
  },
});

export const sameImage = pairRule({
  code: 'TND-007',
  severity: 'warning',
  title: 'Both roles run the same image',
  because: 'the KV layout and the handshake may change between versions, so our router never pairs two images',
  source: 'pd-protocols C-7',
  reads: 'pod',
  *check({ prefill, decode }) {
    if (prefill.container.image === decode.container.image) return;
    yield finding(`${decode.containerPath}.image`, {
      saw: decode.container.image,
      want: `${prefill.container.image ?? 'none'}, as on prefill`,
      fix: 'use one image for both roles',
    });
  },
});

export const sameModel = pairRule({
  code: 'TND-008',
  severity: 'error',
  title: 'Both roles load the same model',
  because: 'the model string is part of the handshake, and another revision mixes weights without a word',
  source: 'pd-protocols C-8',
  *check({ prefill, decode }) {
    const [p, d] = [prefill.engine.model, decode.engine.model];
    if (p !== undefined && d !== undefined && p !== d) {
      yield finding(flagPath(decode, 'model'), {
        saw: d,
        want: `${p}, as on prefill`,
        fix: 'name the same model in both roles',
      });
    }
    const [pr, dr] = [flagOf(prefill, 'revision'), flagOf(decode, 'revision')];
    if (pr !== dr) {
      yield finding(flagPath(decode, 'revision'), {
        saw: dr,
        want: `${pr ?? 'none'}, as on prefill`,
        fix: 'give both roles the same --revision',
      });
    }
  },
});

export const sameServedName = pairRule({
  code: 'TND-009',
  severity: 'error',
  title: 'Both roles serve the model under the same name',
  because: 'the router sends one name to both, and an engine answers 404 to a name it does not serve',
  source: 'pd-protocols C-9',
  *check({ prefill, decode }) {
    const [p, d] = [prefill.engine.servedNames, decode.engine.servedNames];
    if (p.length === 0 || d.length === 0 || p.some((name) => d.includes(name))) return;
    yield finding(flagPath(decode, 'served-model-name'), {
      saw: d.join(' '),
      want: `${p.join(' ')}, as on prefill`,
      fix: 'give both roles the same --served-model-name',
    });
  },
});

export const sameNumbers = pairRule({
  code: 'TND-010',
  severity: 'error',
  title: 'Both roles compute in the same number formats',
  because: 'they are part of the handshake: KV of another format is refused or read as nonsense',
  source: 'pd-protocols C-10',
  *check(pair) {
    yield* differing(pair, ['dtype', 'kv-cache-dtype'], 'auto');
    yield* differing(pair, ['quantization'], undefined);
    yield* differingAttention(pair);
  },
});

const attentionEnv = 'VLLM_ATTENTION_BACKEND';

/** Only vLLM compares it at first contact; SGLang itself offers one for prefill and another for decode. */
function* differingAttention({ prefill, decode }: Pair) {
  if (isSglang(decode)) return;
  const [p, d] = [prefill, decode].map(
    (engine) => flagOf(engine, 'attention-backend') ?? literalOf(engine, attentionEnv),
  );
  if (p === d || [prefill, decode].some((engine) => isFromElsewhere(engine, attentionEnv))) return;
  const byFlag = flagOf(decode, 'attention-backend') !== undefined;
  const place = {
    saw: `attention backend ${d ?? 'absent'}`,
    want: `${p ?? 'absent'}, as on prefill`,
    fix: `give both roles the same --attention-backend or ${attentionEnv}`,
  };
  yield finding(byFlag ? flagPath(decode, 'attention-backend') : envPath(decode, attentionEnv), place, 'warning');
}

export const sameBlockSize = pairRule({
  code: 'TND-011',
  severity: 'error',
  title: 'Both roles cut KV into blocks of the same size',
  because: 'the handshake passes and then every request fails',
  source: 'pd-protocols C-11',
  *check(pair) {
    const flag = pair.prefill.engine.profile.flags.blockSize;
    if (flag === undefined) return;
    for (const place of differing(pair, [flag], undefined))
      yield isSglang(pair.prefill) ? place : { ...place, severity: 'warning' };
  },
});

export const sameHybridManager = pairRule({
  code: 'TND-012',
  severity: 'warning',
  title: 'Both roles manage hybrid KV alike',
  because: 'it is part of the handshake hash',
  source: 'pd-protocols C-12',
  *check(pair) {
    yield* differing(pair, ['disable-hybrid-kv-cache-manager', 'no-disable-hybrid-kv-cache-manager'], undefined);
    const [p, d] = [pair.prefill, pair.decode].map((engine) => extraOf(engine, 'enable_cross_layers_blocks'));
    if (p === d) return;
    yield finding(pair.decode.connector?.path ?? pair.decode.containerPath, {
      saw: d,
      want: `enable_cross_layers_blocks ${asText(p)}, as on prefill`,
      fix: 'set it alike in both kv_connector_extra_config',
    });
  },
});

export const decodeTakesWhatPrefillTakes = pairRule({
  code: 'TND-014',
  severity: 'warning',
  title: 'Decode accepts prompts as long as prefill does',
  because: 'a prompt that only prefill accepts leaves its KV stranded there',
  source: 'pd-protocols C-14',
  *check({ prefill, decode }) {
    const flag = prefill.engine.profile.flags.maxLength;
    if (flag === undefined) return;
    const [p, d] = [numberOf(prefill, flag), numberOf(decode, flag)];
    if (p === undefined || d === undefined || d >= p) return;
    yield finding(flagPath(decode, flag), { saw: d, want: `${p} or more`, fix: `give both roles the same --${flag}` });
  },
});

export const sameTokens = pairRule({
  code: 'TND-016',
  severity: 'warning',
  title: 'Both roles turn a prompt into the same tokens and have the same parsers',
  because: 'decode looks up KV by its own tokens, and a request with tools is refused where no parser for them is set',
  source: 'pd-protocols C-16',
  *check(pair) {
    yield* differing(pair, ['tokenizer-mode'], 'auto');
    yield* differing(pair, ['chat-template', 'tokenizer', 'tool-call-parser', 'reasoning-parser'], undefined);
  },
});

const isNumber = (text: string | undefined): boolean => /^\d+$/.test(text ?? '');

export const sameHashSeed = pairRule({
  code: 'TND-041',
  severity: 'error',
  title: 'PYTHONHASHSEED is set and equal where KV is found by hash',
  because: 'each process seeds its hashes differently, so nothing is ever found, without a word',
  source: 'pd-protocols C-41',
  reads: 'pod',
  *check({ prefill, decode }) {
    const needed = isHashKeyed(prefill) || isHashKeyed(decode);
    if ([prefill, decode].some((engine) => isFromElsewhere(engine, 'PYTHONHASHSEED'))) {
      if (needed) yield* unseenSeed({ prefill, decode });
      return;
    }
    const [p, d] = [literalOf(prefill, 'PYTHONHASHSEED'), literalOf(decode, 'PYTHONHASHSEED')];
    if (seedsAgree(p, d, needed)) return;
    const want = isNumber(p) ? `${p}, as on prefill` : 'one number on both roles';
    const place = { saw: d, want, fix: 'set PYTHONHASHSEED to "0" in both roles' };
    yield finding(envPath(decode, 'PYTHONHASHSEED'), place, needed ? 'error' : 'warning');
  },
});

/** A seed in a ConfigMap or Secret cannot be judged; one that both sides take from the same place is at least equal. */
function* unseenSeed({ prefill, decode }: Pair) {
  const name = 'PYTHONHASHSEED';
  const [p, d] = [prefill, decode].map((engine) => sourceOf(engine, name) ?? literalOf(engine, name));
  if (p === undefined || d === undefined || p === d) return;
  const fix = 'look there, or write the number into both roles; `tandem check -f` reads ConfigMaps among its files';
  yield finding(envPath(decode, name), { saw: d, want: `the same number as ${p} on prefill`, fix }, 'warning');
}

/** Where nothing is found by hash, two different numbers only keep the router from knowing what is cached where. */
const seedsAgree = (p: string | undefined, d: string | undefined, needed: boolean): boolean =>
  needed ? p === d && isNumber(p) : p === d || !(isNumber(p) && isNumber(d));

export const sameCacheKeys = pairRule({
  code: 'TND-042',
  severity: 'warning',
  title: 'Both roles make the same cache keys',
  because: 'keys of another chunk size or hash never match',
  source: 'pd-protocols C-42',
  *check(pair) {
    yield* differing(pair, ['prefix-caching-hash-algo'], undefined);
    yield* differingEnv(pair, ['LMCACHE_CHUNK_SIZE', 'LMCACHE_PRE_CACHING_HASH_ALGORITHM']);
    yield* differingPool(pair);
  },
});

/** What the pool beside or instead of a transfer is kept in; mooncake unless it is said. Undefined without a pool. */
function poolOf({ connector }: EngineRole): string | undefined {
  const names = (connector?.parts ?? []).flatMap(({ hashKeyed, connectors }) => (hashKeyed ? connectors : []));
  const inner = listAt(objectAt(connector?.config, 'kv_connector_extra_config'), 'connectors');
  const pool = (inner.length > 0 ? inner : [connector?.config]).find((one) =>
    names.includes(textAt(one, 'kv_connector') ?? ''),
  );
  return pool === undefined
    ? undefined
    : (textAt(objectAt(pool, 'kv_connector_extra_config'), 'backend') ?? 'mooncake');
}

const poolAddresses = ['MOONCAKE_MASTER', 'LMCACHE_REMOTE_URL'];

function* differingPool({ prefill, decode }: Pair) {
  const [p, d] = [poolOf(prefill), poolOf(decode)];
  if (p === undefined || d === undefined) return;
  if (p !== d) {
    const place = { saw: `backend ${d}`, want: `${p}, as on prefill`, fix: 'give both roles the same "backend"' };
    yield finding(decode.connector?.path ?? decode.containerPath, place);
  }
  // Where only one side has the variable, the other may be told its pool by a file.
  for (const name of poolAddresses) {
    const [pa, da] = [literalOf(prefill, name), literalOf(decode, name)];
    if (pa === undefined || da === undefined || pa === da) continue;
    yield finding(envPath(decode, name), {
      saw: da,
      want: `${pa}, as on prefill`,
      fix: `give both roles the same ${name}`,
    });
  }
}

const transportEnv = [
  'UCX_TLS',
  'UCX_NET_DEVICES',
  'NCCL_IB_GID_INDEX',
  'HCCL_INTRA_ROCE_ENABLE',
  'ASCEND_ENABLE_USE_FABRIC_MEM',
];

export const sameTransport = pairRule({
  code: 'TND-053',
  severity: 'warning',
  title: 'Both roles use the same transport settings',
  because: 'two ends with different settings may have no transport in common',
  source: 'pd-protocols C-53',
  reads: 'pod',
  *check(pair) {
    yield* differingEnv(pair, transportEnv);
  },
});

function* differingEnv({ prefill, decode }: Pair, names: readonly string[]) {
  for (const name of names) {
    const [p, d] = [literalOf(prefill, name), literalOf(decode, name)];
    if (p === d || [prefill, decode].some((engine) => isFromElsewhere(engine, name))) continue;
    yield finding(envPath(decode, name), {
      saw: d,
      want: `${name} ${p ?? 'absent'}, as on prefill`,
      fix: `give both roles the same ${name}`,
    });
  }
}

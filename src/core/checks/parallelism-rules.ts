import { finding } from './finding.js';
import {
  flagPath,
  isAscendMooncake,
  isMla,
  isNixl,
  isP2pNccl,
  isSglang,
  isUpstreamMooncake,
  literalOf,
  numberOf,
  tensorParallelFlag,
} from './reads.js';
import { type EngineRole, pairRule } from './subject.js';

/** Rules about the sizes that each connector can connect. */

export const ascendParallelism = pairRule({
  code: 'TND-029',
  severity: 'error',
  title: 'Prefill and decode are parallel in ways that the connector can map (vllm-ascend)',
  because: 'the connector raises ValueError otherwise',
  source: 'pd-protocols C-29',
  *check({ prefill, decode }) {
    if (!isAscendMooncake(decode)) return;
    const [p, d] = [prefill.engine.tensorParallel, decode.engine.tensorParallel];
    if (p % d !== 0) {
      yield finding(flagPath(decode, tensorParallelFlag(decode)), {
        saw: d,
        want: `a divisor of ${p}, the size of prefill`,
        fix: 'lower it on decode or raise it on prefill',
      });
    }
    yield* onlyOne(decode, 'pipeline-parallel-size');
    if (decode.connector?.profile?.dialect === 'layerwise') yield* onlyOne(decode, contextFlag(decode));
    for (const engine of [prefill, decode]) {
      const context = numberOf(engine, contextFlag(engine)) ?? 1;
      if (engine.engine.pipelineParallel < 2 || context < 2) continue;
      yield finding(flagPath(engine, contextFlag(engine)), {
        saw: context,
        want: `1 beside --pipeline-parallel-size ${engine.engine.pipelineParallel}`,
        fix: `remove --${contextFlag(engine)} or --pipeline-parallel-size`,
      });
    }
  },
});

const contextFlag = ({ engine: { profile } }: EngineRole): string =>
  profile.flags.contextParallel ?? profile.flags.contextParallelInside ?? '';

/** A way to be parallel that decode has not. */
function* onlyOne(decode: EngineRole, flag: string, want = '1 on decode') {
  const saw = numberOf(decode, flag) ?? 1;
  if (saw > 1) yield finding(flagPath(decode, flag), { saw, want, fix: `remove --${flag} from decode` });
}

export const nixlParallelism = pairRule({
  code: 'TND-030',
  severity: 'error',
  title: 'Decode has a multiple of the tensor parallelism of prefill (NIXL)',
  because: 'an assertion kills the decode engine otherwise',
  source: 'pd-protocols C-30',
  *check({ prefill, decode }) {
    if (!isNixl(decode)) return;
    const [p, d] = [prefill.engine.tensorParallel, decode.engine.tensorParallel];
    if (d % p === 0) return;
    yield finding(
      flagPath(decode, tensorParallelFlag(decode)),
      { saw: d, want: `a multiple of ${p}, the size of prefill`, fix: 'raise it on decode or lower it on prefill' },
      isMla(decode) ? 'warning' : 'error',
    );
  },
});

export const mooncakeParallelism = pairRule({
  code: 'TND-031',
  severity: 'warning',
  title: 'Both roles have the same tensor parallelism (Mooncake)',
  because: 'only equal sizes are described to work',
  source: 'pd-protocols C-31',
  *check({ prefill, decode }) {
    if (!isUpstreamMooncake(decode)) return;
    const [p, d] = [prefill.engine.tensorParallel, decode.engine.tensorParallel];
    if (p === d) return;
    const divisible = Math.max(p, d) % Math.min(p, d) === 0;
    const place = { saw: d, want: `${p}, as on prefill`, fix: 'give both roles the same --tensor-parallel-size' };
    yield finding(flagPath(decode, tensorParallelFlag(decode)), place, divisible ? 'warning' : 'error');
  },
});

export const ncclParallelism = pairRule({
  code: 'TND-032',
  severity: 'error',
  title: 'Both roles have the same tensor parallelism (P2P NCCL)',
  because: 'it connects rank to rank',
  source: 'pd-protocols C-32',
  *check({ prefill, decode }) {
    const [p, d] = [prefill.engine.tensorParallel, decode.engine.tensorParallel];
    if (!isP2pNccl(decode) || p === d) return;
    const fix = 'give both roles the same --tensor-parallel-size';
    yield finding(flagPath(decode, tensorParallelFlag(decode)), { saw: d, want: `${p}, as on prefill`, fix });
  },
});

export const sglangParallelism = pairRule({
  code: 'TND-033',
  severity: 'warning',
  title: 'Both roles are parallel in the same way (SGLang)',
  because: 'different sizes are slow at low load and crash under load; decode has no context parallelism',
  source: 'pd-protocols C-33',
  *check({ prefill, decode }) {
    if (!isSglang(decode)) return;
    const pipeline = prefill.engine.pipelineParallel;
    if (decode.engine.pipelineParallel !== pipeline) {
      yield* onlyOne(decode, 'pp-size', pipeline > 1 ? `1 or ${pipeline}, as on prefill` : '1, as on prefill');
    }
    yield* onlyOne(decode, contextFlag(decode));
    const [p, d] = [prefill.engine.tensorParallel, decode.engine.tensorParallel];
    const staged = [prefill, decode].every((engine) => literalOf(engine, 'SGLANG_DISAGG_STAGING_BUFFER') === '1');
    if (isMla(decode) || p === d || staged) return;
    const fix = 'give both roles the same --tp-size, or set SGLANG_DISAGG_STAGING_BUFFER to "1" on both';
    yield finding(flagPath(decode, tensorParallelFlag(decode)), { saw: d, want: `${p}, as on prefill`, fix });
  },
});

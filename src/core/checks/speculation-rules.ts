import { finding } from './finding.js';
import { flagOf, flagPath, integerOf, isAscendMooncake, isSglang, jsonFlag } from './reads.js';
import { type EngineRole, pairRule } from './subject.js';

/** Rules about speculative decoding, whose draft layers have KV too. */

const config = 'speculative-config';
const algorithm = 'speculative-algorithm';

/** A member of vLLM's configuration: of the JSON, or of a dotted flag. */
const memberOf = (engine: EngineRole, name: string): unknown =>
  flagOf(engine, `${config}.${name}`) ?? jsonFlag(engine, config)?.[name];

/** Methods without a draft model have no KV of their own. */
const withoutModel = /^(ngram|suffix)$/i;

function methodOf(engine: EngineRole): string | undefined {
  const method = isSglang(engine) ? flagOf(engine, algorithm)?.toUpperCase() : memberOf(engine, 'method');
  if (typeof method !== 'string' || withoutModel.test(method)) return undefined;
  return method === 'NEXTN' ? 'EAGLE' : method;
}

const placeOf = (engine: EngineRole, name: string): string => {
  const flags = [isSglang(engine) ? algorithm : `${config}.${name}`, config];
  return flagPath(engine, flags.find((flag) => flagOf(engine, flag) !== undefined) ?? config);
};

export const sameSpeculation = pairRule({
  code: 'TND-013',
  severity: 'error',
  title: 'Both roles use the same model-based speculation',
  because: 'the draft layers have KV too: the handshake fails, or memory is read that is not there',
  source: 'pd-protocols C-13',
  *check({ prefill, decode }) {
    const [p, d] = [methodOf(prefill), methodOf(decode)];
    if (p !== d) {
      const place = {
        saw: d,
        want: `${p ?? 'none'}, as on prefill`,
        fix: isSglang(decode)
          ? `give both roles the same --${algorithm}`
          : `give both roles the same method in --${config}`,
      };
      // What is known to fail is vLLM; of SGLang it is only known that draft layers have KV.
      yield finding(placeOf(decode, 'method'), place, isSglang(decode) ? 'warning' : 'error');
    } else if (p !== undefined && isAscendMooncake(prefill)) {
      yield* draftedTokens(prefill, decode);
    }
  },
});

const tokens = 'num_speculative_tokens';

/** One token on prefill, or for hybrids with Mamba layers as many as on decode; which of them the model is, no manifest says. */
function* draftedTokens(prefill: EngineRole, decode: EngineRole) {
  const [p, d] = [prefill, decode].map((engine) => integerOf(memberOf(engine, tokens)));
  if (p === undefined || d === undefined || p === 1 || p === d) return;
  const place = {
    saw: `${tokens} ${p}`,
    want: `1, or ${d} for a model with Mamba layers`,
    fix: `set ${tokens} of prefill to 1`,
  };
  yield finding(placeOf(prefill, tokens), place);
}

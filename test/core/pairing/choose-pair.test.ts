import fc from 'fast-check';
import t from 'tap';
import { labels, tandemKeys, topologyLabel } from '../../../src/api/names.js';
import {
  type Asked,
  candidatesOf,
  chooseOne,
  choosePair,
  decodePods,
  pairFor,
} from '../../../src/core/pairing/choose-pair.js';
import type { Endpoint } from '../../../src/core/pairing/endpoint.js';
import { LoadTable } from '../../../src/core/pairing/load.js';
import { endpoint } from './server-and-pods.js';

const asked = (more: Partial<Asked> = {}): Asked => ({
  load: new LoadTable(),
  now: 0,
  promptBytes: 1000,
  prefix: new Map(),
  without: new Set(),
  random: 0,
  ...more,
});
const names = (choice: ReturnType<typeof choosePair>): string =>
  'none' in choice ? choice.none : `${choice.prefill.name}+${choice.decode.name}`;

t.test('a pair is chosen', (t) => {
  const two = candidatesOf(['p0', 'p1', 'd0', 'd1'].map((name) => endpoint(name)));

  t.test('inside one group', (t) => {
    const split = candidatesOf([endpoint('p0'), endpoint('d0', { [labels.groupName]: 'g1' })]);
    t.equal(names(choosePair(split, asked())), 'no group has both a prefill and a decode pod ready');
    t.end();
  });

  t.test('of one KV fingerprint, where both have one', (t) => {
    const print = tandemKeys.kvFingerprint.key;
    const mixed = candidatesOf([
      endpoint('p0', { [print]: 'a' }),
      endpoint('d0', { [print]: 'b' }),
      endpoint('d1', { [print]: 'a' }),
    ]);
    t.equal(names(choosePair(mixed, asked())), 'p0+d1');
    t.equal(names(choosePair(mixed, asked({ without: new Set(['d1']) }))), 'every ready pair has failed this request');
    const none = candidatesOf([endpoint('p0', { [print]: 'a' }), endpoint('d0', { [print]: 'b' })]);
    t.equal(names(choosePair(none, asked())), 'prefill and decode pods have different KV fingerprints');
    const unknown = candidatesOf([endpoint('p0', { [print]: 'a' }), endpoint('d0')]);
    t.equal(names(choosePair(unknown, asked())), 'p0+d0', 'an unknown one is no reason');
    t.end();
  });

  t.test('of those that are not in use, from the moment of each choice', (t) => {
    const load = new LoadTable();
    const seen: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      const pair = choosePair(two, asked({ load }));
      if ('none' in pair) throw new Error(pair.none);
      load.reserve(pair.prefill, pair.decode, 1000);
      seen.push(names(pair));
    }
    t.same(seen, ['p0+d0', 'p1+d1', 'p0+d0', 'p1+d1']);
    t.end();
  });

  t.test('by the prompts that wait, not only by their number', (t) => {
    const load = new LoadTable();
    load.reserve(endpoint('p0'), endpoint('d0'), 100_000);
    const small = load.reserve(endpoint('p1'), endpoint('d1'), 100);
    load.reserve(endpoint('p1'), endpoint('d1'), 100);
    t.equal(names(choosePair(two, asked({ load, random: 0 }))).slice(0, 2), 'p1');
    small.prefillDone();
    small.release();
    small.release();
    t.equal(load.of(endpoint('d1')).inFlight, 1, 'a place is given back once');
    t.end();
  });

  t.test('for a prompt that a prefill pod has already computed', (t) => {
    const prefix = new Map([['p1', 90_000]]);
    t.equal(names(choosePair(two, asked({ promptBytes: 100_000, prefix }))), 'p1+d0');
    t.end();
  });

  t.test('near each other, load being equal', (t) => {
    const at = (leaf: string) => ({ [topologyLabel('leaf')]: leaf, [topologyLabel('zone')]: 'z' });
    const far = candidatesOf([endpoint('p0', at('a')), endpoint('d0', at('b')), endpoint('d1', at('a'))]);
    t.equal(names(choosePair(far, asked())), 'p0+d1');
    const load = new LoadTable();
    for (let i = 0; i < 6; i += 1) load.reserve(endpoint('d1'), endpoint('d1'), 0);
    t.equal(names(choosePair(far, asked({ load }))), 'p0+d0', 'until it is not');
    t.end();
  });

  t.test('away from pods that have just failed, as long as there are others', (t) => {
    const load = new LoadTable();
    load.avoid(endpoint('p0'), 100);
    t.equal(names(choosePair(two, asked({ load, now: 50 }))), 'p1+d0');
    t.equal(names(choosePair(two, asked({ load, now: 50, without: new Set(['p1']) }))), 'p0+d0');
    t.equal(names(choosePair(two, asked({ load, now: 100 }))), 'p0+d0');
    t.end();
  });

  t.test('anew for one prefill pod, from decode pods of its group and fingerprint', (t) => {
    const print = tandemKeys.kvFingerprint.key;
    const p0 = endpoint('p0', { [print]: 'a' });
    const all = candidatesOf([
      p0,
      endpoint('p1', { [print]: 'b' }),
      endpoint('d0', { [print]: 'a' }),
      endpoint('d1', { [print]: 'b' }),
      endpoint('d2', { [print]: 'a' }),
      endpoint('d3', { [print]: 'a', [labels.groupName]: 'g1' }),
    ]);
    const pair = pairFor(all, p0, asked({ without: new Set(['d0']) }));
    t.equal(pair && names(pair), 'p0+d2');
    t.equal(pairFor(all, p0, asked({ without: new Set(['d0', 'd2']) })), undefined);
    t.equal(pairFor(candidatesOf([]), p0, asked()), undefined);
    t.end();
  });

  t.test('or it is said what is missing', (t) => {
    t.equal(names(choosePair(candidatesOf([]), asked())), 'no pod of a PD group is ready');
    t.equal(names(choosePair(candidatesOf([endpoint('d0')]), asked())), 'no prefill pod is ready');
    t.equal(names(choosePair(candidatesOf([endpoint('p0')]), asked())), 'no decode pod is ready');
    t.end();
  });

  t.test('whenever one exists, and never against the rules', (t) => {
    const anyPod = fc.record({
      side: fc.constantFrom('p', 'd'),
      group: fc.constantFrom('g0', 'g1', 'g2'),
      print: fc.constantFrom('', 'a', 'b'),
      busy: fc.nat({ max: 5 }),
    });
    fc.assert(
      fc.property(
        fc.array(anyPod, { maxLength: 40 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (given, random) => {
          const load = new LoadTable();
          const endpoints = given.map(({ side, group, print, busy }, i) => {
            const made = endpoint(`${side}${i}`, {
              [labels.groupName]: group,
              ...(print !== '' && { [tandemKeys.kvFingerprint.key]: print }),
            });
            for (let n = 0; n < busy; n += 1) load.reserve(made, made, 10);
            return made;
          });
          const fits = (p: Endpoint, d: Endpoint) =>
            p.side === 'prefill' &&
            d.side === 'decode' &&
            p.group === d.group &&
            (!p.fingerprint || !d.fingerprint || p.fingerprint === d.fingerprint);
          const possible = endpoints.some((p) => endpoints.some((d) => fits(p, d)));
          const pair = choosePair(candidatesOf(endpoints), asked({ load, random }));
          return 'none' in pair ? !possible : fits(pair.prefill, pair.decode);
        },
      ),
      { numRuns: 2000 },
    );
    t.end();
  });
  t.equal(chooseOne(decodePods(two), asked({ random: 0.9 }))?.name, 'd1', 'a whole request takes one pod');
  t.end();
});

t.test('load is forgotten with the pod, and not before its requests are over', (t) => {
  const load = new LoadTable();
  const place = load.reserve(endpoint('p0'), endpoint('d0'), 1);
  load.keepOnly(new Set());
  t.equal(load.size, 2);
  place.release();
  load.keepOnly(new Set(['d0']));
  t.equal(load.size, 1);
  t.end();
});

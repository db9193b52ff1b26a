import type { Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { scanObject } from '../../router/body-scan.js';
import { EngineBody } from '../../router/engine-body.js';
import { joined } from '../../router/http/joined.js';
import { JsonError } from '../../router/json-cursor.js';
import { type Edits, leaveOut, RawJson, SplicedBody, set, setIfPresent } from '../../router/spliced-body.js';
import { WantedKeys } from '../../router/wanted-keys.js';
import { fuzzing } from './fuzz-support.js';

const run = fuzzing(60_211_119, 10_000);
const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/);

/** A string as JSON text, its characters escaped in any of the legal ways. */
const stringText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 3 }).map((text) => JSON.stringify(text).slice(1, -1)),
      fc.constantFrom(
        '\\u0061',
        '\\/',
        '\\"',
        '\\\\',
        '\\n',
        '\\ud83d\\ude00',
        '\\ud83d',
        'é',
        '😀',
        '"'.repeat(0),
        '{',
        ']',
        ',',
      ),
      fc.string({ maxLength: 300 }).map((text) => JSON.stringify(text).slice(1, -1)),
    ),
    { maxLength: 6 },
  )
  .map((parts) => `"${parts.join('')}"`);
const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc.constantFrom('0', '-0', '9007199254740993', '1e400', '-12.50', '1E+2', '0.70', '123456789012345678901234567890'),
);
const keyText = fc.oneof(
  fc.constantFrom(
    '"model"',
    '"max_tokens"',
    '"stream"',
    '"kv_transfer_params"',
    '"m\\u006fdel"',
    '"messages"',
    '"bootstrap_x"',
  ),
  stringText,
);
const { value: valueText } = fc.letrec<{ value: string; list: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    stringText,
    numberText,
    fc.constantFrom('true', 'false', 'null'),
    tie('list'),
    tie('object'),
  ),
  list: fc
    .array(fc.tuple(space, tie('value'), space), { maxLength: 4 })
    .map((items) => `[${items.map((item) => item.join('')).join(',')}]`),
  object: fc
    .array(fc.tuple(space, stringText, space, space, tie('value'), space), { maxLength: 4 })
    .map((items) => `{${items.map(([a, key, b, c, value, d]) => `${a}${key}${b}:${c}${value}${d}`).join(',')}}`),
}));
const bodyText = fc
  .tuple(space, fc.array(fc.tuple(space, keyText, space, space, valueText, space), { maxLength: 8 }), space, space)
  .map(([before, items, inside, after]) => {
    const members = items.map(([a, key, b, c, value, d]) => `${a}${key}${b}:${c}${value}${d}`).join(',');
    return `${before}{${members === '' ? inside : members}}${after}`;
  });

const known = ['model', 'max_tokens', 'stream', 'kv_transfer_params', 'messages'];
const wants = new WantedKeys(known, 'bootstrap_');
const isWanted = (key: string): boolean =>
  known.includes(key) || (key.startsWith('bootstrap_') && Buffer.byteLength(key) <= 64);

const parses = (text: string): boolean => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch (error) {
    return !(error instanceof SyntaxError);
  }
};
const scans = (text: string): boolean => {
  try {
    scanObject(Buffer.from(text), wants);
    return true;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return false;
  }
};

/** The body as it is written in one piece with its head. */
function inOnePiece(body: SplicedBody): string {
  let written = '';
  const socket = {
    writableLength: 0,
    write(bytes: Buffer) {
      written = bytes.toString();
    },
  };
  body.joinIn(joined);
  joined.write(socket as unknown as Socket, '', '', undefined);
  return written;
}

/** The text whose UTF-8 bytes are written here one character each. */
const utf8 = (latin1: string): string => Buffer.from(latin1, 'latin1').toString();

t.test('scanning a request body', (t) => {
  t.test('accepts every legal JSON object and finds its members as JSON.parse does', (t) => {
    fc.assert(
      fc.property(bodyText, (text) => {
        const body = SplicedBody.scan(Buffer.from(text), wants);
        const parsed = JSON.parse(text) as Record<string, unknown>;
        for (const key of Object.keys(parsed).filter(isWanted)) {
          if (!isDeepStrictEqual(body.value(key), parsed[key])) t.fail(text);
        }
        for (const key of body.keysWhere(() => true))
          if (!Object.hasOwn(parsed, key)) t.fail(`found ${key} in ${text}`);
      }),
      { ...run, numRuns: run.numRuns / 5 },
    );
    t.end();
  });

  t.test('accepts and refuses exactly what JSON.parse does, also with a byte changed, added or lost', (t) => {
    const edit = fc.record({
      at: fc.nat(),
      lose: fc.nat({ max: 2 }),
      add: fc.constantFrom(
        '',
        '"',
        '\\',
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '0',
        '-',
        'e',
        '.',
        '\n',
        '\u0001',
        'x',
        'null',
      ),
    });
    let refused = 0;
    fc.assert(
      fc.property(bodyText, edit, (text, { at, lose, add }) => {
        const i = at % (text.length + 1);
        const changed = Buffer.from(text.slice(0, i) + add + text.slice(i + lose)).toString();
        const legal = parses(changed);
        if (!legal) refused += 1;
        if (scans(changed) !== legal) t.fail(`${legal ? 'refuses' : 'accepts'} ${JSON.stringify(changed)}`);
      }),
      run,
    );
    t.ok(refused > run.numRuns / 20, `${refused} of ${run.numRuns} were illegal`);
    t.end();
  });

  const refusals: readonly [string, string | Buffer, number][] = [
    ['an empty body', '', 0],
    ['an array', '[1]', 0],
    ['null', 'null', 0],
    ['two values', '{"a":1} {"b":2}', 8],
    ['an unfinished object', '{"model":"x"', 12],
    ['a trailing comma', '{"a":1,}', 7],
    ['a missing colon', '{"a" 1}', 5],
    ['a bare word', '{"a":tru}', 8],
    ['a leading zero', '{"a":01}', 6],
    ['a raw line feed in a string', '{"a":"x\ny"}', 7],
    ['a wrong escape', '{"a":"\\x"}', 7],
    ['half an escape', '{"a":"\\u12g4"}', 10],
    ['a byte order mark', '\ufeff{}', 0],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 0],
  ];
  for (const [what, text, position] of refusals) {
    t.test(`refuses ${what}, and says where`, (t) => {
      t.throws(() => scanObject(Buffer.from(text as string), wants), { name: 'JsonError', position });
      t.end();
    });
  }

  t.test('reads a run without escapes of any length to the byte that ends it', (t) => {
    const lengths = [2030, 2047, 2048, 2049, 2063, 4095, 5001, 70_003];
    const ends = ['', '\\n', '\\"', '\\x', '\u0000', '\u001f', '\n', '\u007f', 'é', '\u{1f600}'];
    for (const length of lengths) {
      for (const end of ends) {
        for (const shift of [0, 1, 2, 3]) {
          const text = `{"${'k'.repeat(shift)}":"${'x'.repeat(length)}${end}${'y'.repeat(40)}","model":"${'z'.repeat(3000)}"}`;
          if (scans(text) !== parses(text)) t.fail(`${length} bytes, then ${JSON.stringify(end)}`);
        }
      }
    }
    t.end();
  });

  t.test('is not stopped by depth, and not by a member repeated without end', (t) => {
    const deep = 200_000;
    t.ok(scans(`{"messages":${'['.repeat(deep)}${']'.repeat(deep)}}`));
    t.notOk(scans(`{${'"model":1,'.repeat(1000)}"model":2}`), 'a thousand times "model" is an attack');
    t.end();
  });
  t.end();
});

t.test('splicing', (t) => {
  const key = fc.constantFrom('model', 'max_tokens', 'stream', 'kv_transfer_params', 'bootstrap_x');
  const edit = fc.oneof(
    key.map(leaveOut),
    key.map((name) => setIfPresent(name, 1)),
    key.map((name) => set(name, new RawJson('{"remote_id":9007199254740993}'))),
    fc.tuple(key, fc.jsonValue({ maxDepth: 1 })).map(([name, json]) => set(name, json as never)),
  );
  const edits = fc.array(edit, { maxLength: 6 });

  t.test('gives the original plus the intended changes, for every parser', (t) => {
    fc.assert(
      fc.property(bodyText, edits, (text, changes) => {
        const body = SplicedBody.scan(Buffer.from(text), wants).with(changes);
        const spliced = Buffer.concat(body.parts()).toString();
        if (inOnePiece(body) !== spliced) t.fail('one piece and parts differ');
        if (!isDeepStrictEqual(JSON.parse(spliced), expected(text, changes))) t.fail(`${text} became ${spliced}`);
      }),
      run,
    );
    t.end();
  });

  t.test('touches no byte that is not named', (t) => {
    fc.assert(
      fc.property(bodyText, (text) => {
        const bytes = Buffer.from(text);
        const parts = SplicedBody.scan(bytes, wants)
          .with([leaveOut('never_there')])
          .parts();
        if (!Buffer.concat(parts).equals(bytes)) t.fail(text);
      }),
      { ...run, numRuns: run.numRuns / 10 },
    );
    const seed =
      '{ "seed" : 9007199254740993,\t"temperature":0.70, "messages":[{"b":1,"2":2,"a":"\\u0041"}],"model":"x" }';
    const spliced = Buffer.concat(
      SplicedBody.scan(Buffer.from(seed), wants)
        .with([set('model', 'y'), set('stream', false)])
        .parts(),
    ).toString();
    t.equal(
      spliced,
      '{ "seed" : 9007199254740993,\t"temperature":0.70, "messages":[{"b":1,"2":2,"a":"\\u0041"}],"model":"y" ,"stream":false}',
    );
    t.end();
  });

  t.test('sets a member that is given twice once, so that no parser reads the other one', (t) => {
    const body = SplicedBody.scan(Buffer.from('{"model":"a","x":1,"model":"b"}'), wants);
    t.equal(body.value('model'), 'b', 'the last one counts');
    t.equal(Buffer.concat(body.with([set('model', 'c')]).parts()).toString(), '{"x":1,"model":"c"}');
    t.equal(Buffer.concat(body.with([leaveOut('model')]).parts()).toString(), '{"x":1}');
    t.end();
  });
  t.end();
});

function expected(text: string, changes: Edits): unknown {
  const parsed = JSON.parse(text) as Record<string, unknown>;
  const given = new Set(Object.keys(parsed));
  for (const { key, value, onlyIfPresent } of changes) {
    delete parsed[key];
    if (value !== undefined && (!onlyIfPresent || given.has(key))) parsed[key] = JSON.parse(utf8(value));
  }
  return parsed;
}

t.test("an engine's answer gives the member that JSON.parse gives, wherever it stands", (t) => {
  const key = 'kv_transfer_params';
  const decoys = fc.constantFrom(
    `{"${key}":1}`,
    `[{"${key}":{"a":2}}]`,
    `"\\"${key}\\":"`,
    `{"x\\"${key}":3}`,
    '{"a":"}"}',
    'null',
  );
  const name = fc.constantFrom(`"${key}"`, `"x\\"${key}"`, '"id"', '"kv_transfer_param\\u0073"');
  const member = fc.tuple(name, space, space, decoys).map(([name, a, b, value]) => `${name}${a}:${b}${value}`);
  const object = fc
    .tuple(fc.array(member, { maxLength: 6 }), space)
    .map(([all, end]) => `{${all.join(',')}${end}}${end}`);
  fc.assert(
    fc.property(object, (text) => {
      const found = new EngineBody(Buffer.from(text)).text(key);
      const parsed = JSON.parse(text) as Record<string, unknown>;
      const value: unknown = found && JSON.parse(found.toString());
      if (!isDeepStrictEqual(value, parsed[key])) t.fail(text);
    }),
    run,
  );
  t.throws(() => new EngineBody(Buffer.from('{"a":1')).text(key), { name: 'JsonError' });
  t.end();
});

/** What the router notices in a stream must not depend on where the network or the engine cut it. */
import fc from 'fast-check';
import t from 'tap';
import { AnswerWatch } from '../../router/answer-watch.js';
import { token } from './support.js';

const event = (payload: unknown): string => `data: ${JSON.stringify(payload)}\n\n`;
const stream = (finish: string): string =>
  [
    event(token('Hello "usage":{ finish_reason')),
    event(token('', finish)),
    event({ choices: [], usage: { prompt_tokens: 12, completion_tokens: 34 } }),
    'data: [DONE]\n\n',
  ].join('');

function watched(text: string, cuts: readonly number[]) {
  const watch = new AnswerWatch();
  let verdict: string | undefined;
  let from = 0;
  for (const to of [...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length]) {
    if (to === from) continue;
    // Inside framing, as the router sees it.
    const framed = `1f\r\n${text.slice(from, to)}\r\n`;
    verdict ??= watch.look(framed, 4, framed.length - 2);
    from = to;
  }
  return { verdict, prompt: watch.promptTokens, completion: watch.completionTokens };
}

const anywhere = fc.array(fc.nat({ max: 500 }), { maxLength: 30 });

/** With the other line end that a stream of events may have. */
const withCrlf = (text: string): string => text.replaceAll('\n', '\r\n');

t.test('tokens are read wherever the stream is cut', (t) => {
  for (const text of [stream('stop'), withCrlf(stream('stop'))]) {
    fc.assert(
      fc.property(anywhere, (cuts) => {
        const { verdict, prompt, completion } = watched(text, cuts);
        if (verdict !== undefined || prompt !== 12 || completion !== 34) t.fail(`${verdict} ${prompt} ${completion}`);
      }),
      { numRuns: 2000 },
    );
  }
  t.end();
});

t.test('an engine that gives up is noticed wherever the stream is cut', (t) => {
  for (const [text, wanted] of [
    [stream('abort'), 'the engine ended with finish_reason abort'],
    [stream('error'), 'the engine ended with finish_reason error'],
    [`${event(token('a'))}${event({ error: { message: 'no' } })}`, 'the engine answered with an error'],
  ] as const) {
    for (const sent of [text, withCrlf(text)]) {
      fc.assert(
        fc.property(anywhere, (cuts) => {
          if (watched(sent, cuts).verdict !== wanted) t.fail(`${wanted}: not seen with cuts ${cuts.join()}`);
        }),
        { numRuns: 2000 },
      );
    }
  }
  t.end();
});

t.test('an event without an end is not kept for ever', (t) => {
  const watch = new AnswerWatch();
  const piece = 'x'.repeat(60_000);
  for (let i = 0; i < 100; i += 1) t.equal(watch.look(piece, 0, piece.length), undefined);
  t.equal(watch.look('"usage":{"prompt_tokens":1,"completion_tokens":2}', 0, 49), undefined);
  t.same([watch.promptTokens, watch.completionTokens], [1, 2]);
  t.end();
});

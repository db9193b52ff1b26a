import t from 'tap';
import { type Answer, Line, type Message } from '../../../src/cli/workers/line.js';

/** Two ends of a channel that carries JSON, as the one between processes does. */
function ends(answer: Answer) {
  const errors: unknown[] = [];
  const carried = (message: Message): Message => JSON.parse(JSON.stringify(message)) as Message;
  const asks: Line = new Line(
    (message) => void answers.receive(carried(message)),
    () => '',
    () => undefined,
  );
  const answers: Line = new Line(
    (message) => void asks.receive(carried(message)),
    answer,
    (error) => void errors.push(error),
  );
  return { asks, answers, errors };
}

t.test('a question is answered', async (t) => {
  const { asks } = ends((about) => `about ${about}`);
  t.equal(await asks.ask('metrics', 60_000), 'about metrics');
});

t.test('a question whose answer fails is answered with none at once, and it is said why', async (t) => {
  const failing: readonly Answer[] = [
    () => Promise.reject(new Error('no metrics')),
    () => {
      throw new Error('no metrics');
    },
  ];
  for (const answer of failing) {
    const { asks, errors } = ends(answer);
    t.equal(await asks.ask('metrics', 60_000), undefined);
    t.match(errors, [{ message: 'no metrics' }]);
  }
});

t.test('what is open when the other end goes is answered with none', async (t) => {
  const { asks } = ends(() => new Promise(() => undefined));
  const asked = asks.ask('ready', 60_000);
  asks.close();
  t.equal(await asked, undefined);
});

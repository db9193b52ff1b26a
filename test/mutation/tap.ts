/**
 * What tests of the core use of tap, without its report: an assertion that fails throws, and cases that were registered
 * can be run again and again. The comparisons are tap's own.
 */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { match, type Result, same, strict } from 'tcompare';

type Body = (t: Assertions) => unknown;
type Registration = readonly [title: string, body: Body] | readonly [title: string, options: Options, body: Body];

interface Options {
  readonly skip?: boolean | string;
}

export interface Case {
  readonly title: string;
  readonly body: Body;
}

/** Comparing prints both sides, also when they are equal; the quick question first saves most of that. */
function compare(by: (found: unknown, wanted: unknown) => Result, found: unknown, wanted: unknown): Result {
  return isDeepStrictEqual(found, wanted) ? { match: true, diff: '' } : by(found, wanted);
}

class Assertions {
  #subtests: Promise<unknown> = Promise.resolve();
  readonly #closers: (() => unknown)[] = [];

  test(...registration: Registration): Promise<unknown> {
    const [one] = casesOf(registration);
    if (one) this.#subtests = this.#subtests.then(() => runCase(one));
    return this.#subtests;
  }
  teardown(close: () => unknown): void {
    this.#closers.push(close);
  }
  /** Ends when the subtests have; the first failure is thrown after what was opened is closed. */
  async close(): Promise<void> {
    try {
      await this.#subtests;
    } finally {
      for (const close of this.#closers.reverse()) await close();
    }
  }

  ok(value: unknown, message?: string): true {
    assert.ok(value, message);
    return true;
  }
  notOk(value: unknown, message?: string): true {
    return this.ok(!value, message);
  }
  equal(found: unknown, wanted: unknown, message?: string): true {
    assert.equal(found, wanted, message);
    return true;
  }
  not(found: unknown, unwanted: unknown, message?: string): true {
    return this.ok(!Object.is(found, unwanted), message);
  }
  same(found: unknown, wanted: unknown, message?: string): true {
    return this.#compared(compare(same, found, wanted), message);
  }
  strictSame(found: unknown, wanted: unknown, message?: string): true {
    return this.#compared(compare(strict, found, wanted), message);
  }
  match(found: unknown, pattern: unknown, message?: string): true {
    return this.#compared(compare(match, found, pattern), message);
  }
  notMatch(found: unknown, pattern: unknown, message?: string): true {
    return this.ok(!compare(match, found, pattern).match, message);
  }
  throws(call: () => unknown, pattern: unknown = {}): true {
    const thrown = outcomeOf(call);
    assert.ok(thrown, 'nothing was thrown');
    return this.match(thrown.error, pattern);
  }
  doesNotThrow(call: () => unknown): true {
    call();
    return true;
  }
  async rejects(promise: Promise<unknown> | (() => Promise<unknown>), pattern: unknown = {}): Promise<true> {
    const settled = await Promise.allSettled([typeof promise === 'function' ? promise() : promise]);
    assert.ok(settled[0]?.status === 'rejected', 'nothing was rejected');
    return this.match(settled[0].reason, pattern);
  }
  type(value: unknown, name: string): true {
    return this.equal(typeof value, name);
  }
  pass(): true {
    return true;
  }
  fail(message?: string): never {
    assert.fail(message);
  }
  /** A case ends when its promise does. */
  end(): void {
    this.pass();
  }

  #compared({ match, diff }: Result, message = ''): true {
    assert.ok(match, `${message}\n${diff}`);
    return true;
  }
}

function outcomeOf(call: () => unknown): { readonly error: unknown } | undefined {
  try {
    call();
  } catch (error) {
    return { error };
  }
  return undefined;
}

function casesOf([title, ...rest]: Registration): readonly Case[] {
  const [options, body] = rest.length === 2 ? rest : [{} satisfies Options, rest[0]];
  return 'skip' in options && options.skip ? [] : [{ title, body }];
}

/** Throws what fails first. */
export async function runCase({ body }: Case): Promise<void> {
  const t = new Assertions();
  try {
    await body(t);
  } finally {
    await t.close();
  }
}

let registered: Case[] = [];

/** The cases of the test files that were imported since the last call. */
export function takeCases(): readonly Case[] {
  const taken = registered;
  registered = [];
  return taken;
}

export default {
  test: (...registration: Registration): void => {
    registered.push(...casesOf(registration));
  },
};

/** What an engine's answer is made of, byte by byte. */
import fc from 'fast-check';
import t from 'tap';
import { parseHead } from '../../router/engine/response-head.js';
import { ChunkedReader } from '../../router/http/chunked-reader.js';
import { ProtocolError } from '../../router/http/protocol-error.js';

t.test('a chunked body', (t) => {
  const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 });
  const style = fc.record({
    upper: fc.boolean(),
    zeros: fc.nat({ max: 3 }),
    extension: fc.constantFrom('', ';a=b', ';x;y="z z"'),
  });

  t.test('arrives byte for byte, whatever its chunks and wherever the network cuts it', (t) => {
    fc.assert(
      fc.property(
        payloads,
        style,
        fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 40 }),
        fc.boolean(),
        (chunks, how, cuts, trailers) => {
          const wire = encode(chunks, how, trailers);
          const read = readAll(wire, cuts);
          if (!read.done) t.fail('the end is not seen');
          if (!read.payload.equals(Buffer.concat(chunks))) t.fail('payload differs');
          const framed = Buffer.concat([read.framed, Buffer.from('0\r\n\r\n')]);
          if (!readAll(framed, [framed.length]).payload.equals(Buffer.concat(chunks)))
            t.fail('framing is not passed on whole');
        },
      ),
      { numRuns: 3000 },
    );
    t.end();
  });

  t.test('may have chunks larger than what is held back', (t) => {
    const large = Buffer.alloc(300_000, 'x');
    const wire = encode([large, Buffer.from('end')], { upper: false, zeros: 0, extension: '' }, false);
    const read = readAll(wire, [1, 65_536]);
    t.ok(read.payload.equals(Buffer.concat([large, Buffer.from('end')])));
    t.end();
  });

  for (const [what, wire] of [
    ['a size that is no number', 'x\r\nabc\r\n0\r\n\r\n'],
    ['a negative size', '-1\r\n0\r\n\r\n'],
    ['a bare line feed after the size', '3\nabc\r\n0\r\n\r\n'],
    ['a chunk longer than its size', '3\r\nabcd\r\n0\r\n\r\n'],
    ['a size of seventeen digits', '11111111111111111\r\nabc'],
    ['bytes after the end', '3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK'],
    ['an endless extension', `3;${'x'.repeat(1000)}`],
  ] as const) {
    t.test(`is refused with ${what}`, (t) => {
      t.throws(() => readAll(Buffer.from(wire), [1000]), { name: 'ProtocolError' });
      t.end();
    });
  }
  t.end();
});

t.test('a response head', (t) => {
  t.test('keeps headers as written, without those of the connection', (t) => {
    const head = parseHead(
      'HTTP/1.1 200 OK\r\nDate: x\r\nX-Own:  a b \r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream; charset=utf-8\r\n',
    );
    t.equal(head.headers, 'Date: x\r\nX-Own: a b\r\nContent-Type: text/event-stream; charset=utf-8\r\n');
    t.match(head, { status: 200, framing: { by: 'chunks' }, reusable: true, contentType: 'text/event-stream' });
    t.end();
  });
  for (const [what, text] of [
    ['no status line', 'hello'],
    ['another protocol', 'HTTP/2 200 OK'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 5'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c'],
    ['a bare line feed', 'HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5'],
    ['a NUL', 'HTTP/1.1 200 OK\r\nA: b\0'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6'],
    ['a length beside chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked'],
    ['a signed length', 'HTTP/1.1 200 OK\r\nContent-Length: +5'],
    ['an unknown transfer coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked'],
  ] as const) {
    t.test(`is refused with ${what}`, (t) => {
      t.throws(() => parseHead(`${text}\r\n`), { name: 'ProtocolError' });
      t.end();
    });
  }
  t.end();
});

function encode(
  chunks: readonly Uint8Array[],
  how: { upper: boolean; zeros: number; extension: string },
  trailers: boolean,
): Buffer {
  const parts = chunks.flatMap((payload) => {
    const hex = payload.length.toString(16);
    const size = `${'0'.repeat(how.zeros)}${how.upper ? hex.toUpperCase() : hex}${how.extension}\r\n`;
    return [Buffer.from(size), Buffer.from(payload), Buffer.from('\r\n')];
  });
  return Buffer.concat([...parts, Buffer.from(trailers ? '0\r\nx-sum: 1\r\ny: 2\r\n\r\n' : '0\r\n\r\n')]);
}

function readAll(wire: Buffer, cuts: readonly number[]) {
  const reader = new ChunkedReader();
  const payloads: Buffer[] = [];
  const frames: Buffer[] = [];
  let done = false;
  let at = 0;
  for (let i = 0; at < wire.length; i += 1) {
    const size = Math.max(1, cuts[i % cuts.length] ?? 1);
    done = reader.push(wire.subarray(at, at + size), (bytes, from, to, framedFrom, framedTo) => {
      payloads.push(Buffer.from(bytes.subarray(from, to)));
      frames.push(Buffer.from(bytes.subarray(framedFrom, framedTo)));
    });
    if (done && reader.rest.length > 0) throw new ProtocolError('bytes after the end');
    at += size;
  }
  return { payload: Buffer.concat(payloads), framed: Buffer.concat(frames), done };
}

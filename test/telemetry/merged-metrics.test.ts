import t from 'tap';
import { MergedMetrics } from '../../src/telemetry/merged-metrics.js';
import { writeWholeLines } from '../../src/telemetry/whole-lines.js';

const text = (requests: number, open: number): string => `# HELP r_total Requests of "all" kinds
# TYPE r_total counter
r_total{path="/a b",status="200"} ${requests}
# HELP open Open ones
# TYPE open gauge
open ${open}
# HELP load Load
# TYPE load gauge
load{by="own"} 1.5
# HELP s Seconds
# TYPE s histogram
s_bucket{le="1"} ${requests}
s_bucket{le="+Inf"} ${requests}
s_sum 0.25
s_count ${requests}
`;

t.test('counters and histograms are summed, gauges tell their worker', (t) => {
  const merged = new MergedMetrics();
  merged.put('0', text(2, 7));
  merged.put('1', text(3, 8));
  t.equal(
    merged.render(),
    `# HELP r_total Requests of "all" kinds
# TYPE r_total counter
r_total{path="/a b",status="200"} 5
# HELP open Open ones
# TYPE open gauge
open{worker="0"} 7
open{worker="1"} 8
# HELP load Load
# TYPE load gauge
load{worker="0",by="own"} 1.5
load{worker="1",by="own"} 1.5
# HELP s Seconds
# TYPE s histogram
s_bucket{le="1"} 5
s_bucket{le="+Inf"} 5
s_sum 0.5
s_count 5
`,
  );
  t.end();
});

t.test('sums never fall when a worker is replaced, and its gauges go with it', (t) => {
  const merged = new MergedMetrics();
  merged.put('0', text(2, 7));
  merged.put('0', text(4, 7));
  merged.retire('0');
  t.match(merged.render(), 's_count 4\n');
  t.notMatch(merged.render(), /^open\{/m);
  merged.put('0', text(1, 9));
  merged.retire('1');
  t.match(merged.render(), '"200"} 5\n');
  t.match(merged.render(), 'open{worker="0"} 9\n');
  t.end();
});

t.test('lines are written in pieces that a pipe keeps whole', (t) => {
  const write = (lines: string): readonly string[] => {
    const pieces: string[] = [];
    writeWholeLines(Buffer.from(lines), (piece) => void pieces.push(piece.toString()));
    return pieces;
  };
  const line = `${'x'.repeat(999)}\n`;
  t.same(write(''), []);
  t.same(write(line), [line]);
  t.same(write(line.repeat(9)), [line.repeat(4), line.repeat(4), line]);
  const exact = `${'y'.repeat(4095)}\n`;
  t.same(write(exact + line), [exact, line]);
  const long = `${'z'.repeat(5000)}\n`;
  t.same(write(line + long + line), [line, long, line], 'a longer line goes by itself');
  t.same(write(long.trim()), [long.trim()], 'also without an end');
  t.end();
});

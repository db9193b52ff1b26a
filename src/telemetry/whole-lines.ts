/** The largest write to a pipe that no other writer can come into the middle of: PIPE_BUF of Linux (pipe(7)). */
const atomic = 4096;
const lineEnd = 10;

/**
 * Writes lines, each with its line end, in pieces that stay whole beside other processes that write to the same pipe. A line
 * that is longer than such a piece goes by itself, and may be torn.
 */
export function writeWholeLines(lines: Buffer, write: (piece: Buffer) => void): void {
  let from = 0;
  while (lines.length - from > atomic) {
    const last = lines.lastIndexOf(lineEnd, from + atomic - 1);
    const end = last >= from ? last + 1 : lines.indexOf(lineEnd, from) + 1 || lines.length;
    write(lines.subarray(from, end));
    from = end;
  }
  if (from < lines.length) write(lines.subarray(from));
}

/** A path without the slashes at its end. The obvious pattern takes quadratic time on a text of slashes, which may be hostile. */
export function withoutSlash(path: string): string {
  let end = path.length;
  while (path[end - 1] === '/') end -= 1;
  return end === path.length ? path : path.slice(0, end);
}

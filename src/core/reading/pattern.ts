const compiled = new Map<string, RegExp>();
/** Profiles have a few dozen patterns; a folder that is edited all day must not fill the memory. */
const most = 1_000;

/** A profile's pattern, compiled once: every reading of every container asks the same few. */
export function patternOf(source: string): RegExp {
  const known = compiled.get(source);
  if (known) return known;
  if (compiled.size >= most) compiled.clear();
  const pattern = new RegExp(source);
  compiled.set(source, pattern);
  return pattern;
}

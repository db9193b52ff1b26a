/** JSON Patch, RFC 6902, with the refusals of the real server. */
import fastJsonPatch, { type Operation } from 'fast-json-patch';
import { type Dict, isDict } from '../object.js';
import { ApiError, badRequest } from '../status.js';

const longest = 10_000;

export function jsonPatch(target: Dict, patch: unknown): Dict {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch is a list of operations');
  if (patch.length > longest)
    throw new ApiError(
      413,
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${longest}, got ${patch.length}`,
    );
  for (const operation of patch) {
    if (!isDict(operation) || typeof operation['op'] !== 'string' || typeof operation['path'] !== 'string') {
      throw badRequest('each operation of a JSON patch needs op and path');
    }
  }
  try {
    return fastJsonPatch.applyPatch(target, patch as Operation[], true).newDocument;
  } catch (error) {
    const { name, message } = error as Error;
    throw new ApiError(
      422,
      'Invalid',
      `the server rejected our request due to an error in our request: ${name} ${message.split('\n')[0]}`,
    );
  }
}

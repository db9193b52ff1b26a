/** Content negotiation: what form an answer takes, and how a body is read. */
import { decodeProtobuf, protobufType } from './protobuf.js';
import { ApiError, badRequest } from './status.js';

export interface AnswerForm {
  /** `plain` objects, a server-printed `table`, or only the `metadata` of objects. */
  readonly as: 'plain' | 'table' | 'metadata';
}

const readable = ['application/json', 'application/yaml', 'application/apply-patch+yaml'];

const givable = ['application/json', '*/*', 'application/*'];
const forms: Readonly<Record<string, AnswerForm['as']>> = {
  '': 'plain',
  Table: 'table',
  PartialObjectMetadata: 'metadata',
  PartialObjectMetadataList: 'metadata',
};

/** The first form of an Accept header that the server can give. Throws 406 when there is none. */
export function answerForm(accept: string | undefined): AnswerForm {
  if (accept === undefined || accept.trim() === '') return { as: 'plain' };
  for (const clause of accept.split(',')) {
    const [type = '', ...parameters] = clause.split(';').map((part) => part.trim());
    const as = forms[parameters.find((parameter) => parameter.startsWith('as='))?.slice(3) ?? ''];
    if (givable.includes(type) && as !== undefined) return { as };
  }
  throw new ApiError(406, 'NotAcceptable', 'only the following media types are accepted: application/json');
}

/** Reads a request body as JSON, YAML or Kubernetes' protobuf. Throws 415 for any other form and 400 for broken text. */
export async function readBody(bytes: Buffer, contentType: string | undefined): Promise<unknown> {
  const type = (contentType ?? 'application/json').split(';')[0]?.trim() ?? '';
  if (type === protobufType) return decodeProtobuf(bytes);
  if (!isReadable(type)) throw unsupportedMedia(readable, type);
  const text = bytes.toString('utf8');
  if (text.trim() === '') return undefined;
  return type.endsWith('yaml') ? parseYaml(text) : parseJson(text);
}

const isReadable = (type: string): boolean => type === '' || readable.includes(type) || type.endsWith('-patch+json');

export const unsupportedMedia = (accepted: readonly string[], type: string): ApiError =>
  new ApiError(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format (${type}) - accepted media types include: ${accepted.join(', ')}`,
  );

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`the body of the request is not JSON: ${(error as Error).message}`);
  }
}

async function parseYaml(text: string): Promise<unknown> {
  // JSON is what kubectl sends even as YAML, and the quick way; the YAML parser is loaded for the rest.
  if (text.trimStart().startsWith('{')) return parseJson(text);
  const { parse } = await import('yaml');
  try {
    return parse(text) as unknown;
  } catch (error) {
    throw badRequest(`the body of the request is not YAML: ${(error as Error).message}`);
  }
}

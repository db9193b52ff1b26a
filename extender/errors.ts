import { table } from '../src/base/errors.js';

/** What a caller gets for a request that is not the protocol. Schedulers ignore the text; people with curl read it. */
export const extenderErrors = table({
  'malformed-body': {
    status: 400,
    retryable: false,
    says: (m: { why: string }) => `the body is not JSON: ${m.why}; send what kube-scheduler sends to an HTTP extender`,
  },
  'wrong-shape': {
    status: 400,
    retryable: false,
    says: (m: { where: string; want: string }) => `${m.where} must be ${m.want}; send what the scheduler itself sends`,
  },
  'body-too-large': {
    status: 413,
    retryable: false,
    says: (m: { limit: string }) =>
      `the body is larger than ${m.limit}; set nodeCacheCapable: true in the scheduler's extender configuration`,
  },
  'unknown-path': {
    status: 404,
    retryable: false,
    says: (m: { path: string }) =>
      `there is no ${m.path}; try POST /prioritize, /filter or /volcano/prioritize, or GET /healthz, /readyz, /metrics`,
  },
  'wrong-method': {
    status: 405,
    retryable: false,
    says: (m: { method: string; path: string }) => `${m.method} ${m.path} is not possible; use POST`,
  },
  'internal-error': {
    status: 500,
    retryable: true,
    says: () => "the extender failed; the scheduler goes on without it; look at the extender's log",
  },
});

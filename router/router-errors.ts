import { table } from '../src/base/errors.js';

/** What the router itself says to a client. What an engine says is passed on as it came. */
export const routerErrors = table({
  'bad-json': {
    status: 400,
    retryable: false,
    says: (m: { position: number; why: string }) =>
      `the request body is not valid JSON: ${m.why} (byte ${m.position}); send one JSON object`,
  },
  'bad-content-type': {
    status: 415,
    retryable: false,
    says: (m: { type: string }) =>
      `content type ${m.type} is not supported, so that files such as audio cannot be sent through here; send application/json`,
  },
  'bad-content-encoding': {
    status: 415,
    retryable: false,
    says: (m: { encoding: string }) => `content encoding ${m.encoding} is not supported; send the body uncompressed`,
  },
  'bad-http': {
    status: 400,
    retryable: false,
    says: (m: { why: string }) => `the request is not legal HTTP/1.1: ${m.why}; check the client`,
  },
  'headers-too-large': {
    status: 431,
    retryable: false,
    says: (_: Record<string, never>) => 'the request headers are too large; send fewer or shorter ones',
  },
  'chunk-extensions-too-large': {
    status: 413,
    retryable: false,
    says: (_: Record<string, never>) => 'the chunk extensions are too large; send none',
  },
  'request-timeout': {
    status: 408,
    retryable: false,
    says: (_: Record<string, never>) => 'the request did not arrive in time; send it faster, or in one piece',
  },
  'too-many-connections': {
    status: 429,
    retryable: true,
    says: (_: Record<string, never>) => 'this client has too many open connections; close some, or use them again',
  },
  'no-handshake': {
    status: 400,
    retryable: false,
    says: (_: Record<string, never>) => 'the TLS handshake failed; speak TLS 1.2 or later, and trust the certificate',
  },
  'no-tunnel': {
    status: 501,
    retryable: false,
    says: (_: Record<string, never>) => 'CONNECT is not served here; send requests to the router itself',
  },
  'bad-version': {
    status: 505,
    retryable: false,
    says: (m: { version: string }) => `HTTP/${m.version} is not spoken on this port; send HTTP/1.1`,
  },
  'bad-coding': {
    status: 400,
    retryable: false,
    says: (m: { coding: string }) => `transfer-encoding ${m.coding} is not legal here; send chunked once, in HTTP/1.1`,
  },
  'unknown-coding': {
    status: 501,
    retryable: false,
    says: (m: { coding: string }) => `transfer-encoding ${m.coding} is not supported; send chunked alone`,
  },
  'bad-target': {
    status: 400,
    retryable: false,
    says: (m: { target: string }) => `the request target ${m.target} is not a path; start it with a slash`,
  },
  'too-many-headers': {
    status: 431,
    retryable: false,
    says: (m: { most: number }) => `the request has more than ${m.most} header lines; send fewer`,
  },
  'two-hosts': {
    status: 400,
    retryable: false,
    says: (_: Record<string, never>) => 'the request has more than one Host header; send one',
  },
  'bad-expectation': {
    status: 417,
    retryable: false,
    says: (m: { expect: string }) => `expectation ${m.expect} is not supported; send 100-continue or none`,
  },
  'no-model': {
    status: 400,
    retryable: false,
    says: (m: { models: string }) => `the request names no model; set "model" to one of: ${m.models}`,
  },
  'body-too-large': {
    status: 413,
    retryable: false,
    says: (m: { limit: number }) => `the request body is larger than ${m.limit} bytes; send a shorter prompt`,
  },
  'unknown-path': {
    status: 404,
    retryable: false,
    says: (m: { method: string; path: string }) =>
      `${m.method} ${m.path} is not served here; use POST /v1/chat/completions, POST /v1/completions or GET /v1/models`,
  },
  'wrong-method': {
    status: 405,
    retryable: false,
    says: (m: { method: string; path: string; allowed: string }) =>
      `${m.path} does not take ${m.method}; use ${m.allowed}`,
  },
  'unknown-model': {
    status: 404,
    retryable: false,
    says: (m: { model: string; known: string }) => `model ${m.model} is not served here; known: ${m.known}`,
  },
  'no-rule': {
    status: 404,
    retryable: false,
    says: (m: { model: string; why: string }) =>
      `model ${m.model} is known, but ${m.why}; check headers and path against the ModelRoute`,
  },
  'no-model-server': {
    status: 503,
    retryable: true,
    says: (m: { name: string }) =>
      `ModelServer ${m.name} does not exist; create it, or correct targetModels of the ModelRoute`,
  },
  'no-ready-pair': {
    status: 503,
    retryable: true,
    says: (m: { model: string; why: string }) =>
      `no prefill/decode pair is ready for ${m.model}: ${m.why}; retry, and see kubectl get pods of its ModelServing`,
  },
  'no-ready-pod': {
    status: 503,
    retryable: true,
    says: (m: { model: string }) =>
      `no pod is ready for ${m.model}; retry, and see kubectl get pods of its ModelServing`,
  },
  'dialect-not-spoken': {
    status: 501,
    retryable: false,
    says: (m: { dialect: string; because: string; spoken: string }) =>
      `this router does not speak ${m.dialect} (${m.because}); it speaks ${m.spoken}: use such a connector, or annotate the ModelServer with tandem.dev/fallback: recompute`,
  },
  'no-handover': {
    status: 502,
    retryable: true,
    says: (m: { pod: string; why: string }) =>
      `${m.why} (pod ${m.pod}), so decode cannot take over; check its --kv-transfer-config, or annotate the ModelServer with tandem.dev/fallback: recompute`,
  },
  'engine-unreachable': {
    status: 502,
    retryable: true,
    says: (m: { leg: string; pod: string; why: string }) =>
      `${m.leg} on pod ${m.pod} failed: ${m.why}; retry, and look at the pod's log`,
  },
  'engine-timeout': {
    status: 504,
    retryable: true,
    says: (m: { leg: string; pod: string; why: string }) =>
      `${m.leg} on pod ${m.pod} took too long: ${m.why}; raise spec.trafficPolicy.timeout of the ModelServer if prompts are long`,
  },
  'engine-gave-up': {
    status: 502,
    retryable: true,
    says: (m: { leg: string; pod: string; why: string }) => `${m.leg} on pod ${m.pod} gave up: ${m.why}; retry`,
  },
  overloaded: {
    status: 503,
    retryable: true,
    says: (m: { has: string }) => `the router already has ${m.has} in flight; retry later, or run more routers`,
  },
  stopping: {
    status: 503,
    retryable: true,
    says: (_: Record<string, never>) => 'the router is stopping; retry, another one will answer',
  },
  'not-ready': {
    status: 503,
    retryable: true,
    says: (m: { why: string }) => `the router is not ready: ${m.why}; retry`,
  },
  'slow-client': {
    status: 408,
    retryable: true,
    says: (m: { seconds: number }) => `the client took nothing for ${m.seconds} s; read faster`,
  },
  internal: {
    status: 500,
    retryable: false,
    says: (_: Record<string, never>) =>
      'the router failed on this request, which is a bug; see its log, and report it with the request id',
  },
});

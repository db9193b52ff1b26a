import { table } from '../src/base/errors.js';

/** What a sender of a bad review is told, with 4xx: there is no uid to answer to, or no review at all. */
export const reviewErrors = table({
  'wrong-content-type': {
    status: 415,
    retryable: false,
    says: (m: { type: string }) => `content type "${m.type}" is not an AdmissionReview; send application/json`,
  },
  'wrong-encoding': {
    status: 415,
    retryable: false,
    says: (m: { encoding: string }) => `content encoding "${m.encoding}" is not read; send the body as it is`,
  },
  'body-too-large': {
    status: 413,
    retryable: false,
    says: (m: { limit: string }) =>
      `the body is larger than ${m.limit}; an API server sends at most two objects of 3 MB`,
  },
  'too-much-at-once': {
    status: 429,
    retryable: true,
    says: (m: { limit: string }) =>
      `reviews that are being read hold ${m.limit} already; send it again in a second, or run more replicas`,
  },
  'not-readable': {
    status: 400,
    retryable: false,
    says: (m: { why: string }) => `the body is not a JSON AdmissionReview: ${m.why}; send one complete JSON object`,
  },
  'unknown-version': {
    status: 400,
    retryable: false,
    says: (m: { saw: string }) =>
      `apiVersion and kind are ${m.saw}; send admission.k8s.io/v1 AdmissionReview (admissionReviewVersions: [v1])`,
  },
  'no-uid': {
    status: 400,
    retryable: false,
    says: () => 'the review has no request.uid, so no answer can name it; send request.uid',
  },
  'unknown-path': {
    status: 404,
    retryable: false,
    says: (m: { path: string; known: string }) => `no webhook answers at ${m.path}; known paths: ${m.known}`,
  },
  'not-post': {
    status: 405,
    retryable: false,
    says: (m: { method: string }) => `${m.method} is not how a review is sent; use POST`,
  },
});

export const startErrors = table({
  'no-address': {
    status: 500,
    retryable: false,
    says: () =>
      'the API server cannot be told where this webhook is: neither a service nor a URL is given; pass --url https://HOST:PORT, or run inside the cluster with a service',
  },
  'bad-url': {
    status: 500,
    retryable: false,
    says: (m: { url: string }) =>
      `webhook URL "${m.url}" is not usable; write https://HOST:PORT without path, user, query or fragment`,
  },
});

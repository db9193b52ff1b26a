import { table } from '../base/errors.js';

export const controllerErrors = table({
  'bad-workers': {
    status: 400,
    retryable: false,
    says: (m: { value: number }) =>
      `${m.value} workers cannot reconcile anything; write --workers with a whole number, 1 or more`,
  },
});

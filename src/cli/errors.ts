import { table } from '../base/errors.js';

export const cliErrors = table({
  'no-such-serving': {
    status: 404,
    retryable: false,
    says: (m: { name: string; namespace: string }) =>
      `no ModelServing ${m.name} in ${m.namespace}; list them with \`tandem status\``,
  },
  'nothing-to-read': {
    status: 400,
    retryable: false,
    says: (m: { kind: string }) => `the files hold no ${m.kind}; name a manifest that does with -f`,
  },
  'name-or-file': {
    status: 400,
    retryable: false,
    says: (m: { command: string }) =>
      `\`tandem ${m.command}\` needs the name of a ModelServing or -f FILE; give one of them`,
  },
  'bad-service': {
    status: 400,
    retryable: false,
    says: (m: { value: string }) =>
      `--service "${m.value}" is not NAMESPACE/NAME; write for example tandem-system/tandem-webhook`,
  },
  'bad-options': {
    status: 400,
    retryable: false,
    says: (m: { value: string; want: string; fix: string }) =>
      `--options "${m.value}" cannot be used: want ${m.want}; ${m.fix}`,
  },
  'half-tls': {
    status: 400,
    retryable: false,
    says: (_: Record<string, never>) =>
      'TLS with clients needs a certificate and its key; give both --tls-cert FILE and --tls-key FILE',
  },
  'bad-injection': {
    status: 400,
    retryable: false,
    says: (m: { value: string }) =>
      `--inject-ca-from "${m.value}" cannot be used; write NAMESPACE/CERTIFICATE, and mount the certificate's Secret with --cert-dir`,
  },
  'worker-not-started': {
    status: 500,
    retryable: false,
    says: (m: { how: string }) =>
      `a worker of the router ended (${m.how}) before it could accept clients; the lines above say why`,
  },
  'kubeconfig-not-written': {
    status: 500,
    retryable: true,
    says: (m: { file: string; why: string }) =>
      `the kubeconfig cannot be written to ${m.file}: ${m.why}; free some space or name another place with --kubeconfig-out FILE`,
  },
  'manifest-invalid': {
    status: 400,
    retryable: false,
    says: (m: { file: string; name: string; places: readonly string[] }) =>
      `${m.file}: ModelServing ${m.name} has not the shape of one:\n  ${m.places.join('\n  ')}\ncorrect these fields; \`tandem check -f\` tells the rest`,
  },
});

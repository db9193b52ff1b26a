/** The kubeconfig that leads to this server. JSON strings are YAML, so no writer is needed. */
export function kubeconfigFor({ server, ca, token }: { server: string; ca: string; token: string }): string {
  const quoted = JSON.stringify;
  return `apiVersion: v1
kind: Config
clusters:
- name: tandem-lab
  cluster:
    server: ${quoted(server)}
    certificate-authority-data: ${Buffer.from(ca).toString('base64')}
users:
- name: lab-admin
  user:
    token: ${quoted(token)}
contexts:
- name: tandem-lab
  context:
    cluster: tandem-lab
    user: lab-admin
    namespace: default
current-context: tandem-lab
`;
}

/** Where a field path is written in a YAML file. */
import t from 'tap';
import { parseManifests } from '../../src/cli/manifests.js';

const text = `apiVersion: v1
kind: Thing
metadata: { name: a }
spec:
  shared: &shared
    port: 1
  roles:
    - name: prefill
      env:
        - name: POD_IP
          value: x
        - name: OTHER
      'dotted.key/x': 1
    - *shared
---
apiVersion: v1
kind: Thing
metadata:
  name: b
  annotations:
    tandem.dev/expand: pods
`;

t.test('lines of field paths', async (t) => {
  const [first, second] = parseManifests('f.yaml', text);
  const cases: readonly (readonly [string, number])[] = [
    ['spec', 4],
    ['metadata.name', 3],
    ['spec.roles[0].name', 8],
    ['spec.roles[0].env["OTHER"]', 12],
    ['spec.roles[0].env[0].value', 11],
    ['spec.roles[0]["dotted.key/x"]', 13],
    ['spec.roles[1].port', 6],
    ['spec.roles[0].env["ABSENT"]', 9],
    ['spec.roles[7].x', 7],
    ['the object', 1],
  ];
  for (const [path, line] of cases) t.equal(first?.lineOf(path), line, path);
  t.equal(second?.lineOf('metadata.annotations["tandem.dev/expand"]'), 21, 'lines go on in the next document');
  t.equal(second?.line, 16);
});

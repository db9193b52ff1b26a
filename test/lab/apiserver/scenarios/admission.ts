/** Admission webhooks, mutating and validating: order, refusals, failures, and what each is sent. */
import type { Scenario } from '../transcript.js';
import { jsonPatchAnswer, startWebhookServer } from '../webhook-server.js';
import { type Body, group, mergeType, message, patch, pod, podsIn, reason } from './support.js';
import { defineWidgets, widget, widgetsIn } from './widgets.js';

export const admission: Scenario = {
  name: 'admission webhooks',
  async run(r, ns) {
    await defineWidgets(r);
    const put = (name: string, value: unknown) => ({ op: 'add', path: `/metadata/annotations/${name}`, value });
    const order = (request: Body) => `${request.object.metadata.annotations?.order ?? ''}`;
    await using hooks = await startWebhookServer({
      '/first': (request) =>
        jsonPatchAnswer([{ op: 'add', path: '/metadata/annotations', value: { order: `${order(request)}1` } }], {
          warnings: ['the first has changed something'],
        }),
      '/second': (request) =>
        jsonPatchAnswer([put('order', `${order(request)}2`), { op: 'add', path: '/spec/size', value: 'small' }]),
      '/bad': () => jsonPatchAnswer([{ op: 'add', path: '/spec/replicas', value: -5 }]),
      '/deny': () => ({ allowed: false, status: { code: 409, reason: 'Conflict', message: 'not today' } }),
      '/silent': () => ({ allowed: false }),
      '/allow': () => ({ allowed: true, warnings: ['seen'] }),
      '/binding': () =>
        jsonPatchAnswer([{ op: 'add', path: '/metadata/labels', value: { 'topology.tandem.dev/leaf': 'r1' } }]),
    });
    const hook = (name: string, path: string, rule: object, more: object = {}) => ({
      name: `${name}.lab.tandem.dev`,
      clientConfig: { url: `https://127.0.0.1:${hooks.port}${path}`, caBundle: hooks.caBundle },
      rules: [
        {
          operations: ['CREATE', 'UPDATE'],
          apiGroups: [group],
          apiVersions: ['v1'],
          resources: ['widgets'],
          ...rule,
        },
      ],
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': ns } },
      ...more,
    });
    const admission = '/apis/admissionregistration.k8s.io/v1';
    const made: string[] = [];
    const configure = async (kind: 'Mutating' | 'Validating', name: string, webhooks: readonly object[]) => {
      const path = `${admission}/${kind.toLowerCase()}webhookconfigurations`;
      await r.api.ask('DELETE', `${path}/${ns}-${name}`);
      const { status, body } = await r.api.ask('POST', path, {
        body: {
          apiVersion: 'admissionregistration.k8s.io/v1',
          kind: `${kind}WebhookConfiguration`,
          metadata: { name: `${ns}-${name}` },
          webhooks,
        },
      });
      if (status !== 201) throw new Error(JSON.stringify(body));
      made.push(`${path}/${ns}-${name}`);
      return body;
    };
    /** kube-apiserver learns of a configuration a moment later: ask until it shows. */
    const until = async (shows: () => Promise<boolean>) => {
      while (!(await shows())) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    const dry = async (spec: object) =>
      r.api.ask('POST', `${widgetsIn(ns)}?dryRun=All`, { body: widget('probe', spec) });
    const forget = async () => {
      for (const path of made.splice(0)) await r.api.ask('DELETE', path);
    };
    const path = widgetsIn(ns);
    await configure('Mutating', 'b', [hook('second', '/second', {})]);
    const configured = await configure('Mutating', 'a', [
      hook('first', '/first', {}, { reinvocationPolicy: 'IfNeeded' }),
    ]);
    r.note('defaults of a configuration', {
      ...configured.webhooks[0],
      clientConfig: undefined,
      namespaceSelector: undefined,
    });
    await until(async () => (await dry({})).body.metadata?.annotations?.order === '121');
    await r.step(
      'in the order of names, and again when needed',
      'POST',
      path,
      { body: widget('a', {}) },
      (body: Body) => [body.metadata.annotations, body.spec, body.metadata.managedFields],
    );
    await r.step(
      'validation comes after mutation',
      'POST',
      path,
      { body: widget('b', { size: 'huge', replicas: -1 }) },
      (body: Body) => body.details.causes.map(({ field }: Body) => field).sort(),
    );
    const last = hooks.seen.findLast(({ request }) => request.name === 'a' && !request.dryRun)?.request;
    r.note('what a webhook is sent', {
      ...last,
      object: Object.keys(last.object).sort(),
      uid: undefined,
      userInfo: undefined,
      namespace: undefined,
    });
    await forget();
    await until(async () => (await dry({ size: 'small' })).body.metadata?.annotations === undefined);
    await configure('Validating', 'v', [
      hook('allow', '/allow', {}),
      hook('deny', '/deny', {}, { objectSelector: { matchLabels: { deny: 'yes' } } }),
      hook('silent', '/silent', {}, { objectSelector: { matchLabels: { deny: 'silently' } } }),
    ]);
    await until(async () => (await dry({ size: 'small' })).warnings.length > 0);
    await r.step('allowed, with a warning', 'POST', path, { body: widget('c', { size: 'small' }) }, reason);
    await r.step(
      'denied',
      'POST',
      path,
      { body: widget('d', { size: 'small' }, { labels: { deny: 'yes' } }) },
      message,
    );
    await r.step(
      'denied without words',
      'POST',
      path,
      { body: widget('d', { size: 'small' }, { labels: { deny: 'silently' } }) },
      message,
    );
    await forget();
    await until(async () => (await dry({ size: 'small' })).warnings.length === 0);
    await configure('Validating', 's', [hook('scale', '/allow', { resources: ['widgets/scale'] })]);
    await until(
      async () =>
        (await r.api.ask('PATCH', `${path}/c/scale?dryRun=All`, patch(mergeType, { spec: { replicas: 2 } }))).warnings
          .length > 0,
    );
    await r.step(
      'scale is judged as a Scale',
      'PATCH',
      `${path}/c/scale`,
      patch(mergeType, { spec: { replicas: 2 } }),
      (body: Body) => body.spec,
    );
    const scaled = hooks.seen.at(-1)?.request;
    r.note('the review of a scale', {
      kind: scaled.kind,
      resource: scaled.resource,
      part: scaled.subResource,
      spec: [scaled.oldObject.spec, scaled.object.spec],
    });
    await forget();
    const dead = { ...hook('dead', '/none', {}), timeoutSeconds: 2 };
    await configure('Validating', 'f', [dead]);
    await until(async () => (await dry({ size: 'small' })).status === 500);
    await r.step('a webhook that fails', 'POST', path, { body: widget('e', { size: 'small' }) }, (body: Body) => [
      body.code,
      body.reason,
      /^Internal error occurred: failed calling webhook "dead\.lab\.tandem\.dev": failed to call webhook: Post "/.test(
        body.message,
      ),
    ]);
    await forget();
    await until(async () => (await dry({ size: 'small' })).status === 201);
    await configure('Validating', 'i', [{ ...dead, failurePolicy: 'Ignore' }, hook('after', '/allow', {})]);
    await until(async () => (await dry({ size: 'small' })).warnings.length > 0);
    await r.step('one that may fail', 'POST', path, { body: widget('e', { size: 'small' }) }, reason);
    await forget();
    await using other = await startWebhookServer({});
    await configure('Validating', 't', [
      {
        ...hook('distrusted', '/allow', {}),
        clientConfig: { url: `https://127.0.0.1:${hooks.port}/allow`, caBundle: other.caBundle },
      },
    ]);
    await until(async () => (await dry({ size: 'small' })).status === 500);
    await r.step('one that is not trusted', 'POST', path, { body: widget('f', { size: 'small' }) }, reason);
    await forget();
    await until(async () => (await dry({ size: 'small' })).status === 201);
    await configure('Mutating', 'p', [
      hook('binding', '/binding', { apiGroups: [''], operations: ['CREATE'], resources: ['pods/binding'] }),
    ]);
    await r.api.ask('POST', podsIn(ns), { body: pod('bound') });
    const bind = (query: string) =>
      r.api.ask('POST', `${podsIn(ns)}/bound/binding${query}`, {
        body: {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { name: 'bound' },
          target: { kind: 'Node', name: 'n1' },
        },
      });
    const before = hooks.seen.length;
    await until(async () => {
      await bind('?dryRun=All');
      return hooks.seen.length > before;
    });
    await bind('');
    await r.step('labels of a binding reach the pod', 'GET', `${podsIn(ns)}/bound`, {}, (body: Body) => [
      body.spec.nodeName,
      body.metadata.labels,
    ]);
    const bound = hooks.seen.at(-1)?.request;
    r.note('the review of a binding', {
      ...bound,
      object: { ...bound.object, metadata: { ...bound.object.metadata, namespace: undefined } },
      options: undefined,
      uid: undefined,
      userInfo: undefined,
      namespace: undefined,
    });
    await forget();
    await r.step(
      'a configuration without a name',
      'POST',
      `${admission}/validatingwebhookconfigurations`,
      {
        body: {
          metadata: { name: 'bad' },
          webhooks: [{ name: 'short', clientConfig: {}, admissionReviewVersions: [] }],
        },
      },
      (body: Body) => body.details?.causes?.map(({ field }: Body) => field).sort(),
    );
  },
};

/** PATCH of an object: the three patches that change what is there, and server-side apply, which can also create. */
import type { Call } from '../call.js';
import type { ApiContext } from '../context.js';
import { decode } from '../decode.js';
import { required } from '../field-error.js';
import { assertMetadataName } from '../metadata-name.js';
import { isDict, keyOf, type Obj } from '../object.js';
import { applyObject } from '../ssa/apply.js';
import { ApiError, badRequest, invalidObject, notFound } from '../status.js';
import { createObject, decodeBody, updateObject } from '../write.js';
import { applyPatchTo, patchTypes } from './apply-patch.js';

const patchOptions = { group: 'meta.k8s.io', plural: 'patchoptions', kind: 'PatchOptions' };

export interface Patched {
  readonly object: Obj;
  readonly isNew: boolean;
}

export async function patchObject(
  ctx: ApiContext,
  call: Call & { name: string },
  patchType: string,
  patch: unknown,
  force: boolean,
): Promise<Patched> {
  if (patchType !== patchTypes.apply) {
    const next = async (current: Obj) => {
      const { resourceVersion } = current.metadata;
      const patched = decodeBody(call, await applyPatchTo(call.type, current, patchType, patch));
      // A patch that names no version takes part in no race; one that changes it is checked like a PUT.
      if (patched.metadata.resourceVersion === resourceVersion) delete patched.metadata.resourceVersion;
      return patched;
    };
    return { object: await updateObject(ctx, call, { next }), isNew: false };
  }
  if (!call.namesManager)
    throw invalidObject(patchOptions, '', [required('fieldManager', 'is required for apply patch')]);
  if (!isDict(patch)) throw badRequest('an apply patch is a complete object');
  return apply(ctx, call, patch, force);
}

async function apply(ctx: ApiContext, call: Call & { name: string }, patch: unknown, force: boolean): Promise<Patched> {
  const config = decodeApplied(call, patch);
  assertMetadataName(call, config);
  if (ctx.store.get(call.type.bucket, keyOf(call.namespace, call.name)) !== undefined) {
    const update = { next: (current: Obj) => applyObject(ctx, call, current, config, force), managersKnown: true };
    return { object: await updateObject(ctx, call, update), isNew: false };
  }
  if (call.subresource !== undefined) throw notFound(call.type, call.name);
  if (config.metadata.uid) {
    throw badRequest(
      `uid mismatch: the provided object specified uid ${config.metadata.uid}, and no existing object was found`,
    );
  }
  const object = applyObject(ctx, call, undefined, config, force);
  return { object: await createObject(ctx, call, object, true), isNew: true };
}

function decodeApplied(call: Call & { name: string }, patch: unknown): Obj {
  const managed = isDict(patch) && isDict(patch['metadata']) ? patch['metadata']['managedFields'] : undefined;
  if (Array.isArray(managed) && managed.length > 0) throw badRequest('metadata.managedFields must be nil');
  const { object, unknown } = decode(call.type, patch, true);
  const [first] = unknown;
  if (first !== undefined) {
    const { type, name, namespace } = call;
    const what = `${namespace === undefined ? '' : `${namespace}/`}${name}; ${type.group}/${type.version}, Kind=${type.kind}`;
    // Apply needs a schema for every field, whatever `fieldValidation` says; the real server has no better code for it.
    throw new ApiError(
      500,
      '',
      `failed to create typed patch object (${what}): .${first}: field not declared in schema`,
    );
  }
  return object;
}

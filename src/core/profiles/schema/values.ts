/** The values that fields of a profile take. */
import Type from 'typebox';

export const closed = { additionalProperties: false } as const;
export const text = () => Type.String({ minLength: 1 });
export const texts = () => Type.Array(text());
export const count = () => Type.Integer({ minimum: 1 });
export const port = () => Type.Integer({ minimum: 1, maximum: 65535 });
export const side = () => Type.Union([Type.Literal('prefill'), Type.Literal('decode')]);
/** The entry pod of a role instance, or one of its workers. */
export const place = () => Type.Union([Type.Literal('entry'), Type.Literal('worker')]);
export const oneOrSeveral = () => Type.Union([Type.Literal('one'), Type.Literal('several')]);
export const regularExpression = () => Type.String({ minLength: 1, format: 'regex' });

/** How every profile begins. */
export const heading = { name: Type.String({ pattern: '^[a-z0-9][-a-z0-9]*$', maxLength: 40 }), title: text() };

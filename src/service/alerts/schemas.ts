/** The shapes of alerts: one source for types, OpenAPI, and what webhooks are sent. */
import { type Static, Type } from 'typebox';
import { Cursor, Limit, NextCursor } from '../book/schemas.ts';
import { ALERT_KINDS } from './conditions.ts';

const Seconds = (description: string) =>
  Type.String({ description: `${description}, seconds since 1970-01-01 UTC` });

/** An alert. */
const AlertViewSchema = Type.Object({
  number: Type.String({ description: 'counts up' }),
  id: Type.String({ description: 'the same for as long as the condition is about the same thing' }),
  kind: Type.String({ enum: [...ALERT_KINDS], description: 'entry of the runbook' }),
  severity: Type.String({ enum: ['info', 'warning', 'critical'], description: 'as it was told last' }),
  text: Type.String({ description: 'what is the matter, and what to do' }),
  underlying: Type.Optional(Type.String({ description: 'as in BTC' })),
  accountId: Type.Optional(Type.String()),
  round: Type.Optional(Type.String({ description: 'round at which it was told last' })),
  raisedAt: Seconds('first told'),
  toldAt: Seconds('told last'),
  times: Type.Integer({ description: 'how often it was told' }),
  resolvedAt: Type.Optional(Seconds('the condition does not hold any more')),
});
/** An alert. */
export type AlertView = Static<typeof AlertViewSchema>;

/** Query of `GET /v1/alerts`. */
export const AlertsQuerySchema = Type.Object(
  {
    state: Type.Optional(Type.String({ enum: ['open', 'resolved'], description: 'all unless given' })),
    limit: Limit,
    cursor: Cursor,
  },
  { additionalProperties: false },
);
/** Answer of `GET /v1/alerts`. */
export const AlertsSchema = Type.Object({ alerts: Type.Array(AlertViewSchema), next: NextCursor });

/** What happened to an alert. */
const AlertNoticeSchema = Type.Object({
  step: Type.String({ enum: ['raised', 'worsened', 'reminded', 'resolved'] }),
  alert: AlertViewSchema,
});
/** What happened to an alert: data of the event `alert`, and an entry of what webhooks are sent. */
export type AlertNoticeView = Static<typeof AlertNoticeSchema>;

/** Body of a delivery to a webhook. */
const AlertDeliverySchema = Type.Object({
  version: Type.Literal(1),
  createdAt: Seconds('when it happened'),
  notices: Type.Array(AlertNoticeSchema, { minItems: 1, maxItems: 100 }),
});
/** Body of a delivery to a webhook. */
export type AlertDelivery = Static<typeof AlertDeliverySchema>;

/** The API's shapes under short names; the schema is made from its own document. */
import type { components, paths } from './schema'

type Schemas = components['schemas']
export type Paths = paths
export type Me = Schemas['Me']
export type Run = Schemas['Run']
export type RunPage = Schemas['RunPage']
export type Project = Schemas['Project']
export type Look = Schemas['Look']
export type Segment = Schemas['Segment']
export type Checkpoint = Schemas['Checkpoint']
export type Receipt = Schemas['Receipt']
export type Command = Schemas['Command']
export type CommandRequest =
  | Schemas['StopRequest']
  | Schemas['CancelRequest']
  | Schemas['CheckpointRequest']
  | Schemas['RollBackRequest']
export type MetricSummary = Schemas['MetricSummary']
export type LogPiece = Schemas['LogPiece']
export type Worker = Schemas['Worker']
export type Token = Schemas['Token']
export type User = Schemas['User']

import { expect, it } from 'vitest'
import { actionText, detailText } from './auditText'

it.each([['run.delete', 'deleted the run'], ['checkpoint.pin', 'pinned the checkpoint'], ['lease.failed', 'gave the failed run back'], ['command.roll_back', 'asked the run to roll back'], ['run.move', 'moved the run'], ['worker.hello', 'started the worker'], ['share.open', 'opened the share'], ['odd', 'odd'], ['run.bake', 'run.bake']])('%s', (action, text) => expect(actionText(action)).toBe(text))
it.each([[{ role: 'member', gone: [] }, 'role member, gone []'], [null, ''], [5, '5']])('%j', (detail, text) => expect(detailText({ detail })).toBe(text))

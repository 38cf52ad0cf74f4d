import { expect, it } from 'vitest'
import { actionText, detailText } from './auditText'

it.each([['run.delete', 'deleted the run'], ['checkpoint.pin', 'pinned the checkpoint'], ['odd', 'odd'], ['run.bake', 'run.bake']])('%s', (action, text) => expect(actionText(action)).toBe(text))
it.each([[{ role: 'member', gone: [] }, 'role member, gone []'], [null, ''], [5, '5']])('%j', (detail, text) => expect(detailText({ detail })).toBe(text))

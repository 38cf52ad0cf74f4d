import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CHECK_MS, Feed, POLL_MS, SignedOut, type FeedEvent, type FeedMessage, type FeedPage, type Transport } from './feed'

const event = (seq: number): FeedEvent => ({ seq, kind: 'run.validation', data: {}, at: '' })

class Tracker implements Transport {
  log: FeedEvent[] = []
  down = false
  signedOut = false
  streams: { after: number; on: Parameters<Transport['stream']>[1]; closed: boolean }[] = []

  page = async (after: number | null): Promise<FeedPage> => {
    if (this.down) throw new TypeError('network')
    if (this.signedOut) throw new SignedOut()
    const events = after === null ? [] : this.log.filter((event) => event.seq > after)
    return { events, next: this.log.at(-1)?.seq ?? 0, gap: false }
  }

  stream = (after: number, on: Parameters<Transport['stream']>[1]) => {
    const stream = { after, on, closed: false }
    this.streams.push(stream)
    return { close: () => (stream.closed = true) }
  }
}

let tracker: Tracker
let heard: FeedMessage[]
let feed: Feed
const seqs = () => heard.flatMap((message) => (message.type === 'events' ? message.events.map((event) => event.seq) : []))
const settle = (millis = 0) => vi.advanceTimersByTimeAsync(millis)

async function refuse() {
  tracker.streams.at(-1)!.on.error()
  await settle(10)
}

beforeEach(() => {
  vi.useFakeTimers()
  tracker = new Tracker()
  tracker.log = [event(1), event(2)]
  heard = []
  feed = new Feed(tracker, (message) => heard.push(message), Date.now)
  feed.start()
})
afterEach(() => {
  feed.stop()
  vi.useRealTimers()
})

describe('Feed', () => {
  it('starts at the end of the event log and follows the stream', async () => {
    await settle()
    expect(tracker.streams[0]!.after).toBe(2)
    tracker.streams[0]!.on.open()
    tracker.streams[0]!.on.event(event(3))
    expect(feed.state).toBe('live')
    expect(seqs()).toEqual([3])
  })

  it('passes on each event once, from polls and streams alike', async () => {
    await settle()
    tracker.streams[0]!.on.open()
    tracker.log.push(event(3))
    tracker.streams[0]!.on.event(event(3))
    tracker.streams[0]!.on.event(event(3))
    await settle(CHECK_MS)
    expect(seqs()).toEqual([3])
    expect(feed.state).toBe('live')
  })

  it('polls when the stream is refused, and tries the stream again later', async () => {
    await settle()
    await refuse()
    await refuse()
    expect(feed.state).toBe('polling')
    tracker.log.push(event(3))
    await settle(POLL_MS)
    expect(seqs()).toEqual([3])
    await settle(5000)
    expect(tracker.streams).toHaveLength(3)
    tracker.streams[2]!.on.open()
    expect(feed.state).toBe('live')
  })

  it('waits longer before each new try', async () => {
    await settle()
    for (let i = 0; i < 4; i++) {
      await refuse()
      await settle(31_000)
    }
    expect(tracker.streams).toHaveLength(5)
    await refuse()
    await settle(20_000)
    expect(tracker.streams).toHaveLength(5)
  })

  it('reopens a stream that ended in order at once, and stays live', async () => {
    await settle()
    tracker.streams[0]!.on.open()
    await settle(300_000)
    const states = heard.length
    await refuse()
    tracker.streams[1]!.on.open()
    expect(heard).toHaveLength(states)
    expect(feed.state).toBe('live')
  })

  it('waits before it reopens streams that end at once', async () => {
    await settle()
    for (let i = 0; i < 20; i++) {
      tracker.streams.at(-1)!.on.open()
      await refuse()
    }
    expect(tracker.streams.length).toBeLessThan(4)
  })

  it('notices a stream that sends nothing any more', async () => {
    await settle()
    tracker.streams[0]!.on.open()
    await settle(CHECK_MS)
    tracker.log.push(event(3))
    await settle(CHECK_MS)
    expect(seqs()).toEqual([3])
    expect(tracker.streams[0]!.closed).toBe(true)
  })

  it('keeps a stream that is only slower than the check', async () => {
    await settle()
    tracker.streams[0]!.on.open()
    tracker.streams[0]!.on.event(event(3))
    tracker.log.push(event(3), event(4))
    await settle(CHECK_MS)
    expect(seqs()).toEqual([3, 4])
    expect(tracker.streams[0]!.closed).toBe(false)
  })

  it('does not wait for a stream that never opens', async () => {
    await settle()
    tracker.log.push(event(3))
    await settle(POLL_MS)
    expect(seqs()).toEqual([3])
  })

  it('says that it is reconnecting while the tracker is away, and loses nothing', async () => {
    await settle()
    tracker.streams[0]!.on.open()
    tracker.down = true
    tracker.streams[0]!.on.error()
    await settle(10)
    expect(feed.state).toBe('reconnecting')
    tracker.log.push(event(3), event(4))
    tracker.down = false
    await settle(POLL_MS)
    expect(seqs()).toEqual([3, 4])
  })

  it('ends when signed out', async () => {
    await settle()
    tracker.signedOut = true
    tracker.streams[0]!.on.error()
    await settle(10)
    expect(feed.state).toBe('signed_out')
    const before = tracker.streams.length
    await settle(60_000)
    expect(tracker.streams).toHaveLength(before)
  })

  it('passes on that events were pruned', async () => {
    await settle()
    tracker.streams[0]!.on.error()
    tracker.page = async () => ({ events: [event(9)], next: 9, gap: true })
    await settle(10)
    expect(heard.map((message) => message.type)).toContain('gap')
  })

  it('passes on nothing after it was stopped', async () => {
    await settle()
    feed.stop()
    const messages = heard.length
    tracker.streams[0]!.on.open()
    tracker.streams[0]!.on.event(event(3))
    await settle(60_000)
    expect(heard).toHaveLength(messages)
  })
})

import { LatestRequest } from '$lib/live/latestRequest'
import { messageOf } from './client'

/** Answers to a question that changes. Each is kept with its question, and the late answer of an earlier question is dropped. */
export class Answers<Question, Answer> {
  latest = $state.raw<{ readonly question: Question; readonly answer: Answer } | null>(null)
  error: string | null = $state(null)
  private present = ''
  private readonly requests: LatestRequest<Question, Answer>

  constructor(request: (question: Question) => Promise<Answer>) {
    this.requests = new LatestRequest(request, {
      answer: (answer, question) => this.isPresent(question) && this.take(question, answer),
      error: (error, question) => this.isPresent(question) && (this.error = messageOf(error)),
    })
  }

  /** Asks; the same question again reads its answer anew, and the earlier answer stays until then. */
  ask(question: Question): void {
    this.present = JSON.stringify(question)
    this.requests.send(question)
  }

  stop(): void {
    this.requests.stop()
  }

  private isPresent(question: Question): boolean {
    return this.present === JSON.stringify(question)
  }

  private take(question: Question, answer: Answer): void {
    this.latest = { question, answer }
    this.error = null
  }
}

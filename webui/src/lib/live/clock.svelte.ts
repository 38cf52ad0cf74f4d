/** The time in epoch seconds, updated once a second: for ages and durations. */
class Clock {
  now = $state(Date.now() / 1000)

  constructor() {
    setInterval(() => {
      if (!document.hidden) this.now = Date.now() / 1000
    }, 1000)
  }
}

export const clock = new Clock()

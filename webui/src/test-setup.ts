// jsdom lays nothing out: Svelte's bind:clientHeight and our charts need the observer to exist.
class StillObserver {
  observe() {}
  unobserve() {}
  disconnect() {}
}
globalThis.ResizeObserver ??= StillObserver as unknown as typeof ResizeObserver

/** Values as pixels: orange below the middle and blue above it, as in the TensorFlow Playground. */
export type Shade = (value: number) => [red: number, green: number, blue: number]

const ORANGE: [number, number, number] = [245, 147, 34]
const BLUE: [number, number, number] = [8, 119, 189]
const MIDDLE: [number, number, number] = [232, 234, 235]

/** -1 is orange, 0 is pale, 1 is blue; values beyond are clipped. */
export const diverging: Shade = (value) => {
  const share = Math.min(1, Math.abs(Number.isFinite(value) ? value : 0))
  const end = value < 0 ? ORANGE : BLUE
  return [0, 1, 2].map((channel) => Math.round(MIDDLE[channel]! + (end[channel]! - MIDDLE[channel]!) * share)) as ReturnType<Shade>
}

/** Bytes of a tile around 128 as -1 to 1. */
export function centred(byte: number): number {
  return (byte - 127.5) / 127.5
}

/** Pixels (RGBA) of a picture of one channel. */
export function shadePixels(values: ArrayLike<number>, shade: Shade): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(4 * values.length)
  for (let index = 0; index < values.length; index++) pixels.set([...shade(values[index]!), 255], 4 * index)
  return pixels
}

/** Pixels (RGBA) of bytes with 1 or 3 channels. */
export function imagePixels(bytes: ArrayLike<number>, channels: number): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray((4 * bytes.length) / channels)
  for (let index = 0; index < bytes.length / channels; index++) {
    const at = (channel: number) => bytes[index * channels + (channels === 3 ? channel : 0)]!
    pixels.set([at(0), at(1), at(2), 255], 4 * index)
  }
  return pixels
}

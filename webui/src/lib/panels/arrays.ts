/** An array of a panel: little-endian values in base64, row by row. */
export interface PackedArray {
  shape: number[]
  dtype: 'uint8' | 'float32'
  data: string
}

export type Values = Uint8Array | Float32Array

export function unpack(packed: PackedArray): Values {
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0))
  if (packed.dtype === 'uint8') return bytes
  const view = new DataView(bytes.buffer)
  return Float32Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(4 * index, true))
}

/** The arrays along the first axis. */
export function slices(packed: PackedArray): Values[] {
  const values = unpack(packed)
  const size = packed.shape.slice(1).reduce((product, side) => product * side, 1)
  return Array.from({ length: packed.shape[0] ?? 0 }, (_, index) => values.subarray(index * size, (index + 1) * size))
}

/** Debiased exponential moving average, as TensorBoard computes it. A value that is not finite stays as it is and smoothing
 * starts anew behind it, so no number is carried across a gap.
 * `weight` is in [0, 1): 0 leaves the values alone. */
export function smooth(values: readonly number[], weight: number): number[] {
  if (!(weight > 0)) return values.slice()
  let average = 0
  let count = 0
  return values.map((value) => {
    if (!Number.isFinite(value)) {
      average = count = 0
      return value
    }
    average = average * weight + (1 - weight) * value
    count += 1
    return average / (1 - weight ** count)
  })
}

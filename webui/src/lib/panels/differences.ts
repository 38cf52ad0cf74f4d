/** What changed between two recordings of a classifier: cells of the matrices, and the examples in them. Pure. */
import type { ClassifiedPair, ConfusionData, ExamplePictures, PanelDifference } from '$lib/api/types'
import { slices, unpack, type Values } from './arrays'

export interface MatrixCell {
  row: number
  column: number
}

/** The examples of one cell: those in it at both ends, and those that left it or came. */
export interface CellExamples {
  both: number[]
  left: number[]
  came: number[]
}

/** A right answer more is good, a wrong answer more is bad; nothing where nothing changed. */
export function judge(change: number, cell: MatrixCell): 'better' | 'worse' | 'same' {
  if (change === 0) return 'same'
  return change > 0 === (cell.row === cell.column) ? 'better' : 'worse'
}

/** "+3", "−2", and nothing for a cell that is the same. */
export function signed(change: number): string {
  return change === 0 ? '' : change > 0 ? `+${change}` : `−${-change}`
}

export function examplesOf(pair: ClassifiedPair, cell: MatrixCell): CellExamples {
  const [truth, first, second] = [unpack(pair.true), unpack(pair.first), unpack(pair.second)]
  const examples: CellExamples = { both: [], left: [], came: [] }
  truth.forEach((label, index) => {
    if (label !== cell.row) return
    const [was, is] = [first[index] === cell.column, second[index] === cell.column]
    if (was && is) examples.both.push(index)
    else if (was) examples.left.push(index)
    else if (is) examples.came.push(index)
  })
  return examples
}

/** The examples in a cell of one matrix; null where the recording does not hold them. */
export function samplesOf(data: ConfusionData, cell: MatrixCell): number[] | null {
  if (!data.examples) return null
  const [truth, predicted] = [unpack(data.examples.true), unpack(data.examples.predicted)]
  return [...truth.keys()].filter((index) => truth[index] === cell.row && predicted[index] === cell.column)
}

/** The recorded pictures by the place of their example. */
export function picturesOf(pictures: ExamplePictures | null | undefined): Map<number, Values> {
  const images = pictures ? slices(pictures.images) : []
  return new Map((pictures?.indexes ?? []).map((index, at) => [index, images[at]!]))
}

/** "12 newly right, 7 newly wrong, 20 wrong at both ends, of 360 examples" */
export function describeExamples({ examples }: Pick<PanelDifference, 'examples'>): string {
  if (!examples) return ''
  const { n, known } = examples
  const among = known < n ? `the first ${known} of ${n}` : String(n)
  return `${examples.newly_right} newly right, ${examples.newly_wrong} newly wrong, ${examples.wrong_at_both} wrong at both ends, of ${among} examples.`
}

/** The two classes of an address as a cell; null where the matrix has no such classes. */
export function cellOf(classes: readonly string[], names: readonly [string, string] | null): MatrixCell | null {
  if (!names) return null
  const cell = { row: classes.indexOf(names[0]), column: classes.indexOf(names[1]) }
  return cell.row < 0 || cell.column < 0 ? null : cell
}

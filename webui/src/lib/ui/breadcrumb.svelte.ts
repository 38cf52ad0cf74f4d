/** What the bar at the top says of the page below it. */
export const breadcrumb: { project: string | null; run: string | null } = $state({ project: null, run: null })

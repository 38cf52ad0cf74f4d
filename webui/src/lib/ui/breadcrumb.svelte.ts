/** The project and the run that the bar at the top names; each page sets them. */
export const breadcrumb: { project: string | null; run: string | null } = $state({ project: null, run: null })

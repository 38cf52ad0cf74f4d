/** Requests that look after one project: its description, the archive, its end. */
import { client, request } from './client'
import type { Alias, Project, UndeletedProject } from './types'

function forProject(project: string) {
  return { params: { path: { project } } }
}

export const projects = {
  show: (project: string): Promise<Project> => request(client.GET('/api/v1/projects/{project}', forProject(project))),
  change: (project: string, patch: { description?: string; is_archived?: boolean }): Promise<Project> =>
    request(client.PATCH('/api/v1/projects/{project}', { ...forProject(project), body: { description: null, is_archived: null, ...patch } })),
  aliases: async (project: string): Promise<Alias[]> => (await request(client.GET('/api/v1/aliases/{project}', forProject(project)))).aliases,
  remove: (project: string) => request(client.DELETE('/api/v1/projects/{project}', forProject(project))),
  undelete: (project: string): Promise<UndeletedProject> => request(client.POST('/api/v1/undelete-project/{project}', forProject(project))),
}

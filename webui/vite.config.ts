import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { svelteTesting } from '@testing-library/svelte/vite'
import openapiTypes, { astToString } from 'openapi-typescript'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const tracker = process.env.KEEPBEST_URL ?? 'http://127.0.0.1:7766'

/** Writes src/lib/api/schema.d.ts from the API's own document: a field that the API lacks fails svelte-check. */
function schema(source = here('./openapi.json'), target = here('./src/lib/api/schema.d.ts')): Plugin {
  return {
    name: 'keepbest-schema',
    async buildStart() {
      if (!existsSync(source)) return
      const types = astToString(await openapiTypes(JSON.parse(await readFile(source, 'utf8'))))
      const before = existsSync(target) ? await readFile(target, 'utf8') : ''
      if (types !== before) await writeFile(target, types)
    },
  }
}

/** Writes `x.js.br` and `x.js.gz` beside each `x.js` that is worth it: the tracker sends these, packed once for all. */
function packed(leastBytes = 1000): Plugin {
  const ways = {
    br: (data: Buffer) => promisify(brotliCompress)(data, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: data.length } }),
    gz: (data: Buffer) => promisify(gzip)(data, { level: 9 }),
  }
  let folder = ''
  return {
    name: 'keepbest-packed',
    apply: 'build',
    configResolved: (config) => void (folder = config.build.outDir),
    async closeBundle() {
      for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(js|css|html|svg)$/.test(entry.name)) continue
        const path = join(entry.parentPath, entry.name)
        const data = await readFile(path)
        if (data.length < leastBytes) continue
        for (const [ending, pack] of Object.entries(ways)) await writeFile(`${path}.${ending}`, await pack(data))
      }
    },
  }
}

/** What many pages share is one file each: a page that fetches forty small ones waits for every one of them. */
const GROUPS = [
  { name: 'kit', test: /node_modules\/(svelte|openapi-fetch)|src\/lib\/(live|api|ui|run)\/(?!inspect|replay|rule|sweeps)|src\/lib\/curves\/metricGroups|src\/parts\/(?!ReportView)[A-Z]/, priority: 2 },
  { name: 'uplot', test: /node_modules\/uplot/, priority: 2 },
  { name: 'charts', test: /src\/lib\/curves\/|src\/parts\/history\/(Curve|SavePicture)/, priority: 1 },
]

/** Pages with an index of their own, by the modules that they show at once. */
const INDEXES = {
  run: ['src/pages/Run.svelte', 'src/parts/history/CurvesTab.svelte'],
  runs: ['src/parts/workspace/Overlay.svelte'],
}

/** Writes `run.html` beside `index.html`: the same page, which names the files of a run's page, so that the browser fetches them at once. */
function indexes(): Plugin {
  return {
    name: 'keepbest-indexes',
    apply: 'build',
    async writeBundle({ dir }, bundle) {
      const chunks = Object.values(bundle).filter((file) => file.type === 'chunk')
      const index = await readFile(join(dir!, 'index.html'), 'utf8')
      for (const [name, modules] of Object.entries(INDEXES)) {
        const first = chunks.filter(({ moduleIds }) => modules.some((module) => moduleIds.some((id) => id.endsWith(module))))
        if (first.length === 0) throw new Error(`no chunk holds ${modules.join(' or ')}`)
        const files = new Set(first.flatMap(({ fileName, imports }) => [fileName, ...imports]))
        const styles = chunks.filter(({ fileName }) => files.has(fileName)).flatMap((chunk) => [...(chunk.viteMetadata?.importedCss ?? [])])
        const links = [...[...files].map((file) => `<link rel="modulepreload" crossorigin href="/${file}">`), ...new Set(styles.map((file) => `<link rel="stylesheet" crossorigin href="/${file}">`))]
        const fresh = links.filter((link) => !index.includes(link) && !index.includes(`src="${/href="([^"]+)"/.exec(link)![1]}"`))
        await writeFile(join(dir!, `${name}.html`), index.replace('</head>', `  ${fresh.join('\n    ')}\n  </head>`))
      }
    },
  }
}

export default defineConfig(({ mode }) => ({
  plugins: [schema(), svelte(), indexes(), packed(), mode === 'test' && svelteTesting()],
  resolve: { alias: { $lib: here('./src/lib'), $parts: here('./src/parts'), $pages: here('./src/pages') } },
  build: {
    outDir: process.env.WEBUI_OUT ?? here('../tracker/webui_dist'),
    emptyOutDir: true,
    target: 'es2022',
    // The tracker sends `Content-Security-Policy: default-src 'self'`: a data: address would be refused.
    assetsInlineLimit: 0,
    rolldownOptions: { output: { codeSplitting: { groups: GROUPS } } },
  },
  worker: { format: 'es' },
  // The tracker takes changes only from its own origin.
  server: { port: 5173, proxy: { '/api': { target: tracker, changeOrigin: true, headers: { origin: tracker } } } },
  test: {
    environment: 'node',
    include: ['src/**/*.test.ts'],
  },
}))

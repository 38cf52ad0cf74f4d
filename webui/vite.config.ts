import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
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

export default defineConfig(({ mode }) => ({
  plugins: [schema(), svelte(), mode === 'test' && svelteTesting()],
  resolve: { alias: { $lib: here('./src/lib'), $parts: here('./src/parts'), $pages: here('./src/pages') } },
  build: {
    outDir: process.env.WEBUI_OUT ?? here('../tracker/webui_dist'),
    emptyOutDir: true,
    target: 'es2022',
    // The tracker sends `Content-Security-Policy: default-src 'self'`: a data: address would be refused.
    assetsInlineLimit: 0,
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: 'uplot', test: /node_modules\/uplot/ }] } } },
  },
  worker: { format: 'es' },
  // The tracker takes changes only from its own origin.
  server: { port: 5173, proxy: { '/api': { target: tracker, changeOrigin: true, headers: { origin: tracker } } } },
  test: {
    environment: 'node',
    include: ['src/**/*.test.ts'],
  },
}))

import './theme.css'
import './app.css'
import './tables.css'
import { mount } from 'svelte'
import { sendEarly } from '$lib/api/early'
import { clock } from '$lib/live/clock.svelte'
import { firstRequests } from '$lib/workspace/firstRequests'
import { router } from '$lib/ui/router.svelte'
import App from './App.svelte'

sendEarly(firstRequests(router.route, router.query))
clock.start()
mount(App, { target: document.getElementById('app')! })

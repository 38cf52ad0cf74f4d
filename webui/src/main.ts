import './theme.css'
import './app.css'
import { mount } from 'svelte'
import { clock } from '$lib/live/clock.svelte'
import App from './App.svelte'

clock.start()
mount(App, { target: document.getElementById('app')! })

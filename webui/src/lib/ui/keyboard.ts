/** The dashboard's one keyboard. */
import { Keyboard } from './shortcuts'

export const keyboard = new Keyboard()
addEventListener('keydown', (event) => keyboard.press(event))

"""The calls of W&B's `wandb`, on a run of keepbest: `import keepbest as wandb` runs the scripts that have them."""

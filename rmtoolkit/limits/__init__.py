"""What limit should it have? Risk, recommendation, replay and backtest, beside what other tools would say."""
